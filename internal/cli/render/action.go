package render

import (
	"fmt"

	"strm/internal/api/apiv1"
)

// Deleted shows that something is gone. kind is the noun for people ("Sink").
func Deleted(kind string, recursive bool) View {
	return View{JSON: struct{}{}, Text: deletedText(kind, recursive)}
}

func deletedText(kind string, recursive bool) string {
	if recursive {
		return kind + " and dependent entities have been deleted"
	}
	return kind + " has been deleted"
}

// StreamDeleted shows the stream that is gone.
func StreamDeleted(inst string, d StreamDetail, recursive bool) View {
	v := StreamTree(inst, d)
	v.Text, v.Note = deletedText("Stream", recursive), nil
	return v
}

// Flushed shows how far a flush has come.
func Flushed(name string, f apiv1.Flush) View {
	text := fmt.Sprintf("%s: flush begun, %s waiting", name, count(f.Status.WaitingEvents, "event", "events"))
	if f.Done {
		text = name + ": everything is delivered"
	}
	return View{JSON: f, Text: text}
}

// Replayed shows what a replay has planned.
func Replayed(name, into string, r apiv1.Replayed) View {
	if r.Batches == nil {
		r.Batches = []string{}
	}
	return View{JSON: r, Text: fmt.Sprintf("%s: replay %s of %s into %s in %s", name, r.Replay, count(r.Events, "event", "events"),
		into, count(int64(len(r.Batches)), "batch", "batches"))}
}

// Cancelled shows what was given up of a replay.
func Cancelled(name, replay string, c apiv1.Cancelled) View {
	text := fmt.Sprintf("%s: replay %s is given up, %s abandoned", name, replay, count(c.Abandoned, "batch", "batches"))
	if c.Abandoned == 0 {
		text = fmt.Sprintf("%s: nothing was left to do of replay %s", name, replay)
	}
	return View{JSON: c, Text: text}
}

// Download is what came of a download.
type Download struct {
	Directory  string           `json:"directory"`
	Downloaded int              `json:"downloaded"`
	Present    int              `json:"present"` // that were there already
	Bytes      int64            `json:"bytes"`   // downloaded
	Failed     []DownloadFailed `json:"failed,omitempty"`
}

// DownloadFailed is an object that did not come.
type DownloadFailed struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Downloaded shows what came of a download.
func Downloaded(d Download) View {
	text := fmt.Sprintf("%s downloaded to %s, %s", count(int64(d.Downloaded), "file", "files"), d.Directory, Bytes(d.Bytes))
	if d.Present > 0 {
		text += fmt.Sprintf("; there already: %d", d.Present)
	}
	if len(d.Failed) > 0 {
		text += fmt.Sprintf("; failed: %d", len(d.Failed))
	}
	return View{JSON: d, Text: text}
}

// Version shows the versions of the client and, if one answers, the server.
func Version(client, server, installation string) View {
	doc := struct {
		Version       string `json:"version"`
		ServerVersion string `json:"serverVersion,omitempty"`
		Installation  string `json:"installation,omitempty"`
	}{client, server, installation}
	text := "strm " + client
	if server != "" {
		text += fmt.Sprintf(" (server %s, installation %s)", server, installation)
	}
	return View{JSON: doc, Text: text}
}

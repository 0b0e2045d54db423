package render

import (
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// importerEntity is a batch importer in the shape of a batch exporter.
type importerEntity struct {
	Ref          Ref                  `json:"ref"`
	StreamRef    Ref                  `json:"streamRef"`
	SinkName     string               `json:"sinkName"`
	Environments []string             `json:"environments"`
	Prefix       string               `json:"prefix,omitempty"`
	Suffixes     []string             `json:"suffixes"`
	StatusFolder string               `json:"statusFolder"`
	TopicARN     string               `json:"topicArn,omitempty"`
	QueueURL     string               `json:"queueUrl,omitempty"`
	Endpoint     string               `json:"notificationEndpoint,omitempty"`
	ListEvery    string               `json:"listEvery"`
	ReportEvery  string               `json:"reportEvery"`
	FromStart    bool                 `json:"includeExistingFiles,omitempty"`
	ID           string               `json:"id,omitempty"`
	CreatedAt    time.Time            `json:"createdAt"`
	Status       apiv1.ImporterStatus `json:"status"`
}

func importerOf(inst string, i apiv1.Importer) importerEntity {
	return importerEntity{
		Ref: Ref{inst, i.Name}, StreamRef: Ref{inst, i.Stream}, SinkName: i.Sink, Environments: i.Environments, Prefix: i.Prefix, Suffixes: i.Suffixes,
		StatusFolder: i.StatusFolder, TopicARN: i.TopicARN, QueueURL: i.QueueURL, Endpoint: i.Endpoint, ListEvery: seconds(i.ListEvery), ReportEvery: seconds(i.ReportEvery),
		FromStart: i.FromStart, ID: i.ID, CreatedAt: i.CreatedAt.UTC(), Status: i.Status,
	}
}

func importerHead() []string {
	return []string{"Batch Importer", "Stream", "Sink", "Environments", "Prefix", "Status Folder", "Files", "Waiting", "State"}
}

func importerRow(i apiv1.Importer) []string {
	return []string{
		i.Name, i.Stream, i.Sink, strings.Join(i.Environments, ","), i.Prefix, i.StatusFolder, itoa(i.Status.Files), itoa(i.Status.WaitingFiles), i.Status.State,
	}
}

// importerNotes tells in lines how an importer learns of files and fares.
func importerNotes(i apiv1.Importer) []string {
	notes := []string{"suffixes: " + strings.Join(i.Suffixes, " ")}
	if i.TopicARN != "" {
		notes = append(notes, "topic: "+i.TopicARN)
	}
	if i.Endpoint != "" {
		notes = append(notes, "notification endpoint: "+i.Endpoint)
	}
	if s := i.Status.Subscription; s != nil {
		text := "subscription: " + s.State
		if t := when(s.At); t != "" {
			text += " since " + t
		}
		notes = append(notes, text)
		if t := when(s.TestedAt); t != "" {
			notes = append(notes, "the bucket "+s.TestBucket+" was configured to notify: "+t)
		}
	}
	if i.QueueURL != "" {
		notes = append(notes, "queue: "+i.QueueURL)
	}
	st := i.Status
	for _, n := range []struct {
		what string
		at   *time.Time
	}{{"last notice", st.NoticedAt}, {"last listing", st.ListedAt}} {
		if t := when(n.at); t != "" {
			notes = append(notes, n.what+": "+t)
		}
	}
	notes = append(notes, "imported: "+count(st.Files, "file", "files")+" with "+count(st.Rows, "row", "rows")+", "+itoa(st.Accepted)+" accepted; waiting: "+
		count(st.WaitingFiles, "file", "files")+"; to be reported: "+count(st.Unreported, "file", "files"))
	if st.Reason != "" {
		notes = append(notes, st.State+": "+st.Reason)
	}
	return notes
}

// Importer shows an importer that was created or changed: the bare entity.
func Importer(inst string, i apiv1.Importer) View {
	return View{JSON: importerOf(inst, i), Head: importerHead(), Rows: [][]string{importerRow(i)}}
}

// ImporterGot shows one importer.
func ImporterGot(inst string, i apiv1.Importer) View {
	return View{
		JSON: struct {
			Importer importerEntity `json:"batchImporter"`
		}{importerOf(inst, i)},
		Head: importerHead(), Rows: [][]string{importerRow(i)}, Note: importerNotes(i),
	}
}

// Importers shows a list of importers.
func Importers(inst string, list []apiv1.Importer) View {
	var doc struct {
		Importers []importerEntity `json:"batchImporters,omitempty"`
	}
	v := View{Head: importerHead()}
	for _, i := range list {
		doc.Importers = append(doc.Importers, importerOf(inst, i))
		v.Rows = append(v.Rows, importerRow(i))
	}
	v.JSON = doc
	return v
}

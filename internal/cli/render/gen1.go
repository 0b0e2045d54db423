package render

import (
	"time"

	"strm/internal/api/apiv1"
)

// Gen1Done is what generation 1 prints for an answer without a body, in its
// own spelling.
const Gen1Done = "Request has been succesfully processed."

type gen1Sink struct {
	SinkType   string `json:"sinkType"`
	SinkName   string `json:"sinkName"`
	BucketName string `json:"bucketName"`
}

type gen1Exporter struct {
	Name         string `json:"name"`
	LinkedStream string `json:"linkedStream"`
	SinkName     string `json:"sinkName"`
	SinkType     string `json:"sinkType"`
	IntervalSecs int64  `json:"intervalSecs"`
	Type         string `json:"type"`
	PathPrefix   string `json:"pathPrefix,omitempty"`
}

type gen1Stream struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

func gen1SinkOf(s apiv1.Sink) gen1Sink { return gen1Sink{s.Type, s.Name, sinkRow(s)[2]} }

func gen1ExporterOf(e apiv1.Exporter, sinkType string) gen1Exporter {
	d, err := time.ParseDuration(e.Interval)
	if err != nil {
		d = 0 // no server of ours sends this; the field then tells nothing rather than something wrong
	}
	return gen1Exporter{e.Name, e.Stream, e.Sink, sinkType, int64(d / time.Second), "BATCH", e.PathPrefix}
}

func gen1StreamOf(s apiv1.Stream) gen1Stream { return gen1Stream{s.Name, s.Description, s.Tags} }

// Gen1Sink shows one sink in generation 1's shape.
func Gen1Sink(s apiv1.Sink) View {
	return View{JSON: gen1SinkOf(s), Head: sinkHead(), Rows: [][]string{sinkRow(s)}}
}

// Gen1Sinks shows a list of sinks in generation 1's shape.
func Gen1Sinks(list []apiv1.Sink) View {
	v := Sinks("", list)
	v.Head = sinkHead()
	doc := struct {
		Sinks []gen1Sink `json:"sinks"`
	}{[]gen1Sink{}}
	for i, s := range list {
		v.Rows[i] = sinkRow(s)
		doc.Sinks = append(doc.Sinks, gen1SinkOf(s))
	}
	v.JSON = doc
	return v
}

// Gen1Exporter shows one exporter in generation 1's shape; its sink's type is
// not part of the exporter and comes beside it.
func Gen1Exporter(e apiv1.Exporter, sinkType string) View {
	return View{JSON: gen1ExporterOf(e, sinkType), Head: exporterHead(), Rows: [][]string{exporterRow(e)}}
}

// Gen1Exporters shows a list of exporters; types maps sink names to types.
func Gen1Exporters(list []apiv1.Exporter, types map[string]string) View {
	v := Exporters("", list)
	doc := struct {
		Exporters []gen1Exporter `json:"exporters"`
	}{[]gen1Exporter{}}
	for _, e := range list {
		doc.Exporters = append(doc.Exporters, gen1ExporterOf(e, types[e.Sink]))
	}
	v.JSON = doc
	return v
}

// Gen1Stream shows one stream in generation 1's shape.
func Gen1Stream(s apiv1.Stream) View {
	return View{JSON: gen1StreamOf(s), Head: streamHead(), Rows: [][]string{streamRow(s)}}
}

// Gen1Streams shows a list of streams in generation 1's shape.
func Gen1Streams(list []apiv1.Stream) View {
	doc := struct {
		Streams []gen1Stream `json:"streams"`
	}{[]gen1Stream{}}
	v := View{Head: streamHead()}
	for _, s := range list {
		doc.Streams = append(doc.Streams, gen1StreamOf(s))
		v.Rows = append(v.Rows, streamRow(s))
	}
	v.JSON = doc
	return v
}

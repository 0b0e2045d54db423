package render

import (
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

type bucket struct {
	BucketName string `json:"bucketName"`
	Prefix     string `json:"prefix,omitempty"`
}

// sinkEntity is a sink as the seed prints it. The seed's echo of the
// credentials is left out on purpose.
type sinkEntity struct {
	Ref      Ref    `json:"ref"`
	SinkType string `json:"sinkType"`
	Bucket   bucket `json:"bucket"`
}

// sinkFull adds what only get shows.
type sinkFull struct {
	sinkEntity
	Endpoint          string        `json:"endpoint,omitempty"`
	Region            string        `json:"region,omitempty"`
	PathStyle         bool          `json:"pathStyle,omitempty"`
	RoleARN           string        `json:"roleArn,omitempty"`
	ExternalID        string        `json:"externalId,omitempty"`
	STSEndpoint       string        `json:"stsEndpoint,omitempty"`
	Encryption        string        `json:"encryption,omitempty"`
	KMSKey            string        `json:"kmsKey,omitempty"`
	CredentialsType   string        `json:"credentialsType,omitempty"`
	Principal         string        `json:"principal,omitempty"`
	ConditionalWrites string        `json:"conditionalWrites,omitempty"`
	Health            *apiv1.Health `json:"health,omitempty"`
	Warning           string        `json:"warning,omitempty"`
	CreatedAt         time.Time     `json:"createdAt"`
	UpdatedAt         time.Time     `json:"updatedAt"`
}

func sinkOf(inst string, s apiv1.Sink) sinkEntity {
	return sinkEntity{Ref: Ref{inst, s.Name}, SinkType: s.Type, Bucket: bucket{s.Bucket, s.Prefix}}
}

func sinkHead() []string { return []string{"Sink", "Type", "Bucket"} }

func sinkRow(s apiv1.Sink) []string {
	place := s.Bucket
	if s.Prefix != "" {
		place += "/" + s.Prefix
	}
	return []string{s.Name, s.Type, place}
}

func sinkHealthHead() []string { return append(sinkHead(), "Health") }

func sinkHealthRow(s apiv1.Sink) []string {
	status := "unknown"
	if s.Health != nil {
		status = s.Health.Status
	}
	return append(sinkRow(s), status)
}

// failure tells what is wrong with a sink, or "".
func failure(h *apiv1.Health) string {
	if h == nil || h.Step == "" {
		return ""
	}
	return h.Step + ", " + h.At.UTC().Format(time.RFC3339) + ": " + h.Reason
}

// SinkTest shows how a trial went.
func SinkTest(t apiv1.SinkTest) View {
	status := t.Health.Status
	if !t.OK {
		status += ": " + t.Health.Step
	}
	return View{
		JSON: struct {
			Test apiv1.SinkTest `json:"sinkTest"`
		}{t},
		Head: []string{"Sink", "Bucket", "Region", "Conditional Writes", "Health"},
		Rows: [][]string{{t.Sink, t.Bucket, t.Region, t.ConditionalWrites, status}},
	}
}

// Sink shows a sink that was created or updated: the bare entity.
func Sink(inst string, s apiv1.Sink) View {
	return View{JSON: sinkOf(inst, s), Head: sinkHead(), Rows: [][]string{sinkRow(s)}}
}

// SinkTree shows one sink in full, with its exporters when s carries them.
func SinkTree(inst string, s apiv1.Sink) View {
	type tree struct {
		Sink      sinkFull         `json:"sink"`
		Exporters []exporterEntity `json:"batchExporters,omitempty"`
	}
	full := sinkFull{
		sinkEntity: sinkOf(inst, s), Endpoint: s.Endpoint, Region: s.Region, PathStyle: s.PathStyle,
		RoleARN: s.RoleARN, ExternalID: s.ExternalID, STSEndpoint: s.STSEndpoint, Encryption: s.Encryption, KMSKey: s.KMSKey,
		CredentialsType: s.Credentials, Principal: s.Principal, ConditionalWrites: s.ConditionalWrites,
		Health: s.Health, Warning: s.Warning, CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
	}
	v := View{
		JSON: struct {
			Tree tree `json:"sinkTree"`
		}{tree{full, exportersOf(inst, s.Exporters)}},
		Head: sinkHealthHead(), Rows: [][]string{sinkHealthRow(s)},
	}
	for _, p := range [][2]string{
		{"endpoint", s.Endpoint},
		{"region", s.Region},
		{"role", s.RoleARN},
		{"external id", s.ExternalID},
		{"STS endpoint", s.STSEndpoint},
		{"encryption", strings.TrimSpace(s.Encryption + " " + s.KMSKey)},
		{"credentials", strings.TrimSpace(s.Credentials + " " + s.Principal)},
		{"failing", failure(s.Health)},
		{"warning", s.Warning},
	} {
		if p[1] != "" {
			v.Note = append(v.Note, p[0]+": "+p[1])
		}
	}
	v.Note = append(v.Note, dependents(nil, s.Exporters)...)
	return v
}

// Sinks shows a list of sinks, each with the exporters it carries.
func Sinks(inst string, list []apiv1.Sink) View {
	type tree struct {
		Sink      sinkEntity       `json:"sink"`
		Exporters []exporterEntity `json:"batchExporters,omitempty"`
	}
	var doc struct {
		Sinks []tree `json:"sinks,omitempty"`
	}
	v := View{Head: sinkHealthHead()}
	for _, s := range list {
		doc.Sinks = append(doc.Sinks, tree{sinkOf(inst, s), exportersOf(inst, s.Exporters)})
		v.Rows = append(v.Rows, sinkHealthRow(s))
		for _, n := range dependents(nil, s.Exporters) {
			v.Note = append(v.Note, s.Name+": "+n)
		}
	}
	v.JSON = doc
	return v
}

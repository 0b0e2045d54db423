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
	Endpoint          string    `json:"endpoint,omitempty"`
	Region            string    `json:"region,omitempty"`
	PathStyle         bool      `json:"pathStyle,omitempty"`
	RoleARN           string    `json:"roleArn,omitempty"`
	ExternalID        string    `json:"externalId,omitempty"`
	STSEndpoint       string    `json:"stsEndpoint,omitempty"`
	Encryption        string    `json:"encryption,omitempty"`
	KMSKey            string    `json:"kmsKey,omitempty"`
	CredentialsType   string    `json:"credentialsType,omitempty"`
	Principal         string    `json:"principal,omitempty"`
	ConditionalWrites string    `json:"conditionalWrites,omitempty"`
	Warning           string    `json:"warning,omitempty"`
	CreatedAt         time.Time `json:"createdAt"`
	UpdatedAt         time.Time `json:"updatedAt"`
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
		Warning: s.Warning, CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
	}
	v := View{
		JSON: struct {
			Tree tree `json:"sinkTree"`
		}{tree{full, exportersOf(inst, s.Exporters)}},
		Head: sinkHead(), Rows: [][]string{sinkRow(s)},
	}
	for _, p := range [][2]string{
		{"endpoint", s.Endpoint},
		{"region", s.Region},
		{"role", s.RoleARN},
		{"external id", s.ExternalID},
		{"STS endpoint", s.STSEndpoint},
		{"encryption", strings.TrimSpace(s.Encryption + " " + s.KMSKey)},
		{"credentials", strings.TrimSpace(s.Credentials + " " + s.Principal)},
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
	v := View{Head: sinkHead()}
	for _, s := range list {
		doc.Sinks = append(doc.Sinks, tree{sinkOf(inst, s), exportersOf(inst, s.Exporters)})
		v.Rows = append(v.Rows, sinkRow(s))
		for _, n := range dependents(nil, s.Exporters) {
			v.Note = append(v.Note, s.Name+": "+n)
		}
	}
	v.JSON = doc
	return v
}

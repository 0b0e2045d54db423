package layout

import (
	"time"

	"strm/internal/stream"
)

// impressions are the defaults of the layouts that hold the impressions of
// Harness FME (Split).
var impressions = Settings{Format: "parquet", Schema: impressionSchema, Cut: stream.Cut{Interval: 30 * time.Minute}}

// impressionSchema has the columns of that vendor's export: their order, types and
// which may be null. An SDK that sends no label or properties sends nothing wrong, so
// there the empty text is not a change to be told. Of what a source stores beside
// them the vendor's export has nothing; that they have no column is known.
const impressionSchema = `{"type":"object","properties":{` +
	`"key":{"type":"string","strm_required":true},` +
	`"label":{"type":"string","strm_required":true,"default":""},` +
	`"treatment":{"type":"string","strm_required":true},` +
	`"splitName":{"type":"string","strm_required":true},` +
	`"splitVersion":{"type":"integer","strm_required":true},` +
	`"properties":{"type":"string","strm_required":true,"default":""},` +
	`"environmentId":{"type":"string","strm_required":true},` +
	`"trafficTypeId":{"type":"string","strm_required":true,"default":""},` +
	`"sdk":{"type":"string","strm_required":true,"default":""},` +
	`"sdkVersion":{"type":"string","strm_required":true,"default":""},` +
	`"machineName":{"type":"string"},` +
	`"machineIp":{"type":"string"},` +
	`"timestamp":{"type":"integer","strm_required":true},` +
	`"receptionTimestamp":{"type":"integer","strm_required":true}},` +
	`"strm_ignored":["bucketingKey","previousTime","impressionsMode","entityType"]}`

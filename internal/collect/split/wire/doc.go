// Package wire turns the bodies that SDKs of Split (Harness FME) post into JSON
// lines: an impression, an event, a count or some unique keys each. It knows the
// bulk bodies, the beacons of browsers, the impression listener of the
// synchronizer and the names that very old SDKs use. No I/O, and nothing is
// allocated for an entry.
//
// An impression becomes the object of the 14 columns of the vendor's export, in
// their order, followed by what they have no place for, where it was sent:
//
//	key label treatment splitName splitVersion properties environmentId trafficTypeId sdk sdkVersion
//	machineName machineIp timestamp receptionTimestamp  bucketingKey previousTime impressionsMode entityType
//
// An event becomes the columns of the vendor's event files, followed by what they lack:
//
//	environmentId trafficTypeId eventTypeId key timestamp value properties  trafficTypeName sdk sdkVersion
//	machineName machineIp receptionTimestamp
//
// A count has kind "count", splitName, hour and count; unique keys have kind
// "uniqueKeys" and splitName with keys, or key with splitNames. Both have
// environmentId, sdk, sdkVersion, machineName, machineIp and receptionTimestamp.
//
// What has the wrong type but can be kept is kept: numbers as text where text is
// due, times from strings in any common unit. An entry that cannot be is left out
// and counted; its neighbours stay.
package wire

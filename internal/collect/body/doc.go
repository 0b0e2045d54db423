// Package body reads the bodies of HTTP requests for collectors: as sent or
// compressed with gzip or zstd, within limits, into buffers that are used again,
// with memory that is reserved as the bytes come and not as the sender promises.
package body

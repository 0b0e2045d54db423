// Package traffic is what programs that break strm send and look for: numbered
// events whose text follows from their number, senders that retry, repeat and
// give up as careless clients do and note what they were told, and judges that
// compare the objects of an exporter with those notes and with its ledger. Run
// has what all of that share, Command what their command lines do.
package traffic

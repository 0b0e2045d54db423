// Package servers runs the engines that strm scales out on, as they are:
// Apache Kafka (KRaft, one to three brokers) and PostgreSQL. Each is a set of
// separate processes on loopback that can be killed, stopped and started again
// on the same data, and that never outlive the program that started them.
// test/integration/install-scale.sh fetches what is needed, pinned.
package servers

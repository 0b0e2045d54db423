package apiv1

import "time"

// Node is a process that shares the installation with others.
type Node struct {
	ID         string     `json:"id"`   // made up at each start
	Name       string     `json:"name"` // for people: as it was told, or where it listens
	Version    string     `json:"version"`
	Alive      bool       `json:"alive"`
	This       bool       `json:"this"` // it answered this request
	StartedAt  time.Time  `json:"startedAt"`
	LeaseUntil *time.Time `json:"leaseUntil,omitempty"` // by the clock of the catalog; absent where there is one node
	Exporters  int        `json:"batchExporters"`       // that it plans for
	Importers  int        `json:"batchImporters"`       // for which it lists files and listens to queues
	Duties     []string   `json:"duties"`               // beside these: retention, sinks (trying them again), reports (of importers)
}

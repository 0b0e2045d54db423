package render

import (
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// Nodes shows the processes of an installation. They have no counterpart in the
// seeds: their shape is the API's own.
func Nodes(list []apiv1.Node) View {
	var doc struct {
		Nodes []apiv1.Node `json:"nodes,omitempty"`
	}
	doc.Nodes = list
	v := View{JSON: doc, Head: []string{"Node", "Address", "Version", "State", "Since", "Lease Until", "Batch Exporters", "Batch Importers", "Duties"}}
	for _, n := range list {
		state, until := "lost", "-"
		if n.Alive {
			state = "alive"
		}
		if n.LeaseUntil != nil {
			until = n.LeaseUntil.UTC().Format(time.RFC3339)
		}
		v.Rows = append(v.Rows, []string{n.ID, n.Name, n.Version, state, n.StartedAt.UTC().Format(time.RFC3339), until,
			itoa(int64(n.Exporters)), itoa(int64(n.Importers)), strings.Join(n.Duties, ",")})
	}
	return v
}

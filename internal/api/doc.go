// Package api is the control plane over HTTP: it turns requests into calls of
// package control and what they return into the bodies of apiv1. It decides
// nothing itself.
//
//	GET, POST                 /v1/streams
//	GET, PATCH, DELETE        /v1/streams/{stream}                    ?recursive=
//	GET                       /v1/streams/{stream}/events             ?from= follow= limit= partition= envelope=
//	GET, POST                 /v1/sources
//	GET, DELETE               /v1/sources/{name}
//	GET                       /v1/sinks                               ?recursive=
//	GET, PUT, DELETE          /v1/sinks/{name}                        ?recursive=
//	GET, POST                 /v1/batch-exporters                     ?stream=
//	GET, PUT, PATCH, DELETE   /v1/batch-exporters/{name}              ?stream=
//	POST                      /v1/batch-exporters/{name}/flush        ?stream= wait= until=
//	POST                      /v1/batch-exporters/{name}/pause        ?stream=
//	POST                      /v1/batch-exporters/{name}/resume       ?stream=
//	POST                      /v1/batch-exporters/{name}/replay       ?stream=
//	DELETE                    /v1/batch-exporters/{name}/replays/{id} ?stream=
//	POST                      /v1/batch-exporters/{name}/verify       ?stream=
//	GET                       /v1/batch-exporters/{name}/batches      ?stream= limit= before= state= replay=
//	GET                       /v1/batches/{id}
//	GET                       /v1/info
//	GET                       /openapi.json, /openapi.yaml            no token needed
//
// Everything else needs the admin token. Every error is an apiv1.Problem.
// Intake (POST /v1/streams/{stream}/events) and health are not here.
package api

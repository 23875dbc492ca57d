package rollupapi

import "net/http"

// route is one REST or JSON-RPC address. The OpenAPI document is made from the routes.
type route struct {
	pattern string // of http.ServeMux
	summary string
	query   []string // parameters that it reads
	body    any      // an example of the JSON body's type; nil for none, []byte for raw bytes
	handle  func(http.ResponseWriter, *http.Request) error
}

// routes are all addresses that are not of a Connect service.
func (s *Server) routes() []route {
	return append(s.writingRoutes(), s.readingRoutes()...)
}

func (s *Server) writingRoutes() []route {
	return []route{
		{"POST /v1/submit", "Submit transactions of one namespace", nil, submitJSON{}, s.restSubmit},
		{
			"POST /v1/namespaces/{namespace}/transactions", "Submit the body as one transaction",
			[]string{"wait", "timeout_ms", "valid_until_commit", "sender", "signature", "idempotency_key"},
			[]byte{},
			s.restSubmitRaw,
		},
		{"POST /v1/submit/bundle", "Submit payloads that stand at one position of the order, or nowhere", nil, bundleJSON{}, s.restSubmitBundle},
		{"POST /v1/submit/sealed", "Submit ciphertexts", nil, submitSealedJSON{}, s.restSubmitSealed},
		{"GET /v1/encryption-key", "The key that users seal with", []string{"id", "deals"}, nil, s.restEncryptionKey},
		{"POST /rpc/{namespace}", "JSON-RPC 2.0 for wallets, one request or a batch", nil, rpcRequest{}, s.rpc},
		{"GET /rpc/{namespace}", "The same over a WebSocket, with dunlin_subscribe", nil, nil, s.rpcSocket},
	}
}

func (s *Server) readingRoutes() []route {
	streamed := []string{"namespace", "cursor", "content", "min_state", "with_proofs", "heartbeat_ms"}
	return []route{
		{"GET /v1/transactions/{id}", "What has become of a transaction or bundle", nil, nil, s.restTransaction},
		{"GET /v1/watch", "What becomes of some ids, as server-sent events (status, watermark)", []string{"id", "heartbeat_ms"}, nil, s.restWatch},
		{"GET /v1/stream", "The order as server-sent events (item, commit, watermark); Last-Event-ID resumes", streamed, nil, s.restStream},
		{
			"GET /v1/namespaces/{namespace}/transactions", "A piece of a namespace's order, or of all's",
			[]string{"cursor", "limit", "min_state", "with_proofs"},
			nil, s.restRange,
		},
		{"GET /v1/commits/{index}", "One commit's header, by number or as latest", nil, nil, s.restCommit},
		{"GET /v1/commits/{index}/dependencies", "What ties namespaces together in a commit", []string{"namespace"}, nil, s.restDependencies},
		{"GET /v1/commits/{index}/certificate", "The certificate that covers a commit, with the headers between", nil, nil, s.restCertificate},
		{"GET /v1/light-update", "The keys that certificates are signed with, and their proof of origin", []string{"from_epoch", "from_key", "from_origin", "max_bytes"}, nil, s.restLightUpdate},
		{"GET /v1/transactions/{id}/proof", "A proof of where an item stands", []string{"namespace"}, nil, s.restItemProof},
		{"GET /v1/namespaces/{namespace}/proof", "A proof of all that a namespace got in commits", []string{"commit", "to_commit"}, nil, s.restNamespaceProof},
		{"GET /v1/rounds/{round}", "The blocks of one round of the DAG", nil, nil, s.restRound},
		{"GET /v1/blocks/{slot}/{digest}", "One signed block", nil, nil, s.restBlock},
		{"GET /v1/status", "How this node is doing", nil, nil, s.restStatus},
		{"GET /v1/network", "Validators and namespaces", nil, nil, s.restNetwork},
		{"GET /v1/info", "Versions, features and limits", nil, nil, s.restInfo},
		{"GET /openapi.json", "This document", nil, nil, s.openAPI},
		{"GET /{$}", "A page for people", nil, nil, s.page},
	}
}

package rollupapi

import (
	"net/http"
	"time"
)

// SetPatience shortens how long a stream's reader may take for a message.
func SetPatience(s *Server, d time.Duration) { s.patience = d }

// The limits that tests go up to and one beyond.
const (
	MaxSubmitItems     = maxSubmitItems
	MaxSubmitItemsJSON = maxSubmitItemsJSON
	MaxSubmitBytes     = maxSubmitBytes
	MaxBodyBytes       = maxBodyBytes
	MaxRangeItems      = maxRangeItems
	MaxRangeCommits    = maxRangeCommits
	MaxRangeOpened     = maxRangeOpened
	MaxOriginBytes     = maxOriginBytes
	MaxSubmitSealed    = maxSubmitSealed
	MaxUnrevealed      = maxUnrevealed
	MaxNamespaces      = maxNamespaces
	MaxStreams         = defaultStreams
	MaxWatched         = maxWatched
	MaxBehind          = maxBehind
	MaxRPCBatch        = maxRPCBatch
	MaxSubscriptions   = maxSubscriptions
	MaxCalls           = maxCalls
	NamespaceLook      = namespaceLook
)

// Handler is the whole port.
func Handler(s *Server) http.Handler { return s.handler() }

// Streaming reports whether n streams are being served.
func Streaming(s *Server, n int) bool { return len(s.streams) == n }

package gate

// MaxClients is for tests.
const MaxClients = maxClients

// Accounts is how many clients are remembered.
func Accounts(g *Gate) int {
	g.buckets.mu.Lock()
	defer g.buckets.mu.Unlock()
	return len(g.buckets.young) + len(g.buckets.old)
}

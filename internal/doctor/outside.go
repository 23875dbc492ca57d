package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/dunlin-network/dunlin/p2p"
	"github.com/dunlin-network/dunlin/rollupapi"
	"github.com/dunlin-network/dunlin/rollupapi/client"
)

const (
	// ahead is how far this clock may be behind the newest commit's time, which lies in the past.
	ahead = 500 * time.Millisecond
	// old is how old the newest commit may be while the order goes on; rounds take fractions of a second.
	old = 5 * time.Second
	// manyBehind is how many commits a node may lack before it is catching up.
	manyBehind = 50
	// slowReach is a round trip that is worth a look.
	slowReach = time.Second
)

// outside looks at what the node says through its API.
func (v *visit) outside() {
	url := v.plan.API
	if url == "" && v.home != nil {
		if v.home.TLS != nil && v.running {
			v.warn("api", "dunlin doctor --home "+v.home.Dir+" --api https://NAME:PORT", "it is served with TLS, under a name that is not in the config, and was not asked")
		}
		if v.home.TLS != nil {
			return
		}
		url = apiOf(v.home.Config.API.Listen)
	}
	if url == "" {
		return
	}
	c, err := client.NewFrom(client.Config{Endpoints: []string{url}, Token: v.plan.Token})
	if err != nil {
		v.bad("api", "--api http://127.0.0.1:8080", "%v", err)
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	status, err := c.NodeStatus(ctx)
	var refusal *client.Error
	switch {
	case err != nil && v.home != nil && !v.running && v.plan.API == "":
		return // it was said that it does not run
	case errors.As(err, &refusal) && refusal.Reason == string(rollupapi.ReasonUnauthenticated):
		v.warn("api", "export DUNLIN_TOKEN=...; the node's operator has it in the file that api.tokens names", "%s answers, and wants a token before it says how it is", url)
		return
	case errors.As(err, &refusal) && refusal.Reason == string(rollupapi.ReasonHostForbidden):
		v.warn("api", "name it with --api by its IP address; or its operator lists the name in api.origins", "%s answers: %v", url, err)
		return
	case err != nil:
		v.bad("api", "is a node running there? dunlin run --home DIR; or name another with --api URL", "%s: %v", url, err)
		return
	}
	v.status = &status
	v.ok("api", "%s answers: %s, %s, up %v", url, status.Name, status.Role, (time.Duration(status.Uptime) * time.Millisecond).Round(time.Second))
	v.identity(url)
	v.standing()
	v.sealing()
	v.archive()
	v.clock(ctx, c)
}

// apiOf is where a listening address is reached from this machine.
func apiOf(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// identity holds the answering node against home and program.
func (v *visit) identity(url string) {
	s := v.status
	if v.home != nil && (s.NetworkID != v.home.Genesis.Network() || s.Name != v.home.Config.Name) {
		v.bad("identity", "set api.listen in the home's config.toml to a port of its own, or name the right --api",
			"at %s answers %s of network %s, not the node of this home", url, s.Name, s.NetworkID.Short())
	}
	if v.plan.Version != "" && s.Version != v.plan.Version {
		v.warn("version", "stop it and start it again with this program", "the node is of version %s, this program of version %s", s.Version, v.plan.Version)
		return
	}
	v.ok("version", "%s", s.Version)
}

// standing looks at what the node does in the order.
func (v *visit) standing() {
	s := v.status
	switch {
	case s.Behind >= manyBehind && s.ETA > 0:
		v.warn("progress", "nothing: it catches up", "%d commits behind, caught up in about %v", s.Behind, (time.Duration(s.ETA) * time.Millisecond).Round(time.Second))
	case s.Behind >= manyBehind:
		v.warn("progress", "wait, and look again with: dunlin status; the node's log says catching_up", "%d commits behind", s.Behind)
	default:
		v.ok("progress", "at commit %d, %d behind", s.Commit, s.Behind)
	}
	switch {
	case s.Role != rollupapi.RoleValidator:
	case s.Proposing:
		v.ok("proposing", "yes")
	default:
		v.bad("proposing", "do what the reason says, and look again; docs/disaster.md if more than f disks are lost", "no: %s", s.Reason)
	}
	if s.Equivocators > 0 {
		v.bad("equivocation", "dunlin status at every validator; whose key signed twice must find the second copy of it and stop it",
			"this node holds proof that %d validators have signed two blocks of one round", s.Equivocators)
	}
	var away []string
	for _, p := range s.PeerList {
		if !p.Connected {
			away = append(away, p.Name)
		}
	}
	if len(away) > 0 {
		v.warn("peers", "start them, or look at their addresses: dunlin doctor --home DIR tries each", "connected to %d of %d validators, not to %s", s.Peers, len(s.PeerList), strings.Join(away, ", "))
	} else {
		v.ok("peers", "connected to all %d other validators", s.Peers)
	}
}

// sealing looks at the sealing key and at what is to be opened.
func (v *visit) sealing() {
	g := &v.status.Sealing
	switch {
	case g.Advice != "":
		v.warn("sealing", g.Advice, "the key generation does not come to its end: %s", g.Phase)
	case g.Serving == 0:
		v.warn("sealing", "wait: the key is made in the network's first rounds", "no key yet: %s", g.Phase)
	default:
		v.ok("sealing", "key %d serves; all is opened up to commit %d of %d", g.Serving, v.status.Revealed, v.status.Commit)
	}
}

// archive looks who keeps the whole history.
func (v *visit) archive() {
	switch v.status.Archive {
	case rollupapi.ArchiveHere:
		v.ok("archive", "this node has all from the first commit on")
	case rollupapi.ArchivePeer:
		v.ok("archive", "a connected node has all from the first commit on")
	case rollupapi.ArchiveNone:
		v.warn("archive", `keep all at one node: store.retention = "archive" in its config.toml; what nobody has any more comes back from a backup only: dunlin backup restore`,
			"neither this node nor any that it is connected to has the first commits: nobody can export the history or replay it from the beginning")
	}
}

// clock holds this machine's clock against the committee's: a commit's time is agreed.
func (v *visit) clock(ctx context.Context, c *client.Client) {
	newest := v.status.Commit
	if newest == 0 || v.status.Behind >= manyBehind {
		return
	}
	header, err := c.Commit(ctx, newest)
	if err != nil {
		v.warn("clock", "dunlin status", "the newest commit cannot be read: %v", err)
		return
	}
	v.judgeClock(time.Since(time.UnixMilli(int64(header.GetTimeUnixMs()))))
}

// judgeClock judges how old the newest commit is by this clock.
func (v *visit) judgeClock(age time.Duration) {
	const next = "timedatectl status; let chrony or ntpd run"
	switch {
	case age < -ahead:
		v.bad("clock", next, "this clock is %v behind the committee's: the newest commit lies in the future", (-age).Round(time.Millisecond))
	case age > old:
		v.warn("clock", next+"; if it is right, the order stands still: dunlin status", "the newest commit is %v old: this clock is ahead of the committee's, or nothing is committed", age.Round(time.Second))
	default:
		v.ok("clock", "the newest commit is %v old by this clock", age.Round(time.Millisecond))
	}
}

// reach dials the validators and other nodes whose addresses stand in the config.
func (v *visit) reach() {
	names := make(map[peer.ID]string)
	known := make(map[peer.ID]bool)
	for _, p := range v.home.Peers {
		known[p.ID] = true
		names[p.ID] = "bootstrap " + p.ID.ShortString()
	}
	var missing []string
	self := v.home.Keys.Identity.Public()
	for i := range v.home.Genesis.Validators {
		val := &v.home.Genesis.Validators[i]
		id, err := p2p.PeerID(val.Identity)
		if err != nil || val.Identity == self {
			continue
		}
		if !known[id] {
			missing = append(missing, val.Name)
		}
		names[id] = "validator " + val.Name
	}
	switch {
	case len(v.home.Peers) == 0:
		v.warn("addresses", "write one under p2p.bootstrap in config.toml: /ip4/ADDRESS/tcp/PORT/p2p/ID",
			"no address of any other node is configured: this one waits until others dial it")
		return
	case len(missing) > 0:
		v.ok("addresses", "%s: found through the others", strings.Join(missing, ", "))
	}
	reached, err := p2p.Probe(v.ctx, v.home.Peers, patience)
	if err != nil {
		v.bad("reach", "look at this machine's network", "%v", err)
	}
	for _, r := range reached {
		switch {
		case r.Err != nil:
			v.warn("reach", "is it running? see p2p.peers and p2p.bootstrap in config.toml, and the firewalls between", "%s: %s", names[r.ID], firstLine(r.Err))
		case r.Took > slowReach:
			v.warn("reach", "look at the network between", "%s takes %v to connect", names[r.ID], r.Took.Round(time.Millisecond))
		default:
			v.ok("reach", "%s in %v", names[r.ID], r.Took.Round(time.Millisecond))
		}
	}
}

// firstLine is an error of several attempts in one line.
func firstLine(err error) string {
	return strings.Join(strings.Fields(fmt.Sprint(err)), " ")
}

package ordering

import (
	"fmt"

	"github.com/dunlin-network/dunlin/crypto"
	"github.com/dunlin-network/dunlin/crypto/dkg"
	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/ordering/keygen"
)

// KeyReady is a key that the log has made.
type KeyReady struct {
	Key     keygen.Key
	Origins []keygen.Origin
	Share   *dkg.Share // this validator's; nil for an observer
	Lost    error      // why a validator has no share
}

// generation is a key generation that the engine runs on the commits, with this validator's part in it.
type generation struct {
	keygen *keygen.State
	member *keygen.Member              // nil for an observer
	said   map[crypto.Digest]dag.Round // own messages, by the round of the block that carries them
}

func newGeneration(cfg Config, purpose keygen.Purpose) (*generation, error) {
	state, err := keygen.New(cfg.Committee, purpose)
	if err != nil {
		return nil, err
	}
	g := &generation{keygen: state, said: make(map[crypto.Digest]dag.Round)}
	if cfg.Self != Observer {
		g.member = keygen.NewMember(cfg.Self, cfg.KEM)
	}
	return g, nil
}

// decode goes on from a state that was written.
func (g *generation) decode(c *dag.Committee, purpose keygen.Purpose, encoded []byte) (carrier, error) {
	state, err := keygen.Decode(c, purpose, encoded)
	if err != nil {
		return nil, err
	}
	g.keygen = state
	return state, nil
}

// startStates makes the states that the network carries.
func (e *Engine) startStates() error {
	var err error
	if e.sealing, err = newSealing(e.cfg); err != nil {
		return fmt.Errorf("sealing key: %w", err)
	}
	if e.certificates, err = newCertificates(e.cfg); err != nil {
		return fmt.Errorf("certificate key: %w", err)
	}
	if e.sealing != nil {
		e.carried = append(e.carried, newCarried(SealingKey, e.sealing.keygen))
	}
	if e.cfg.Registry.Changeable() {
		e.carried = append(e.carried, newCarried(Namespaces, e.registrar))
	}
	if e.certificates != nil {
		e.carried = append(e.carried, newCarried(CertificateKey, e.certificates.keygen))
	}
	return nil
}

// restoreGenerations hands out the keys that the restored states hold.
func (e *Engine) restoreGenerations() {
	if e.sealing != nil {
		e.ready.Keys = append(e.ready.Keys, e.sealing.all()...)
	}
	if e.certificates != nil {
		e.ready.CertificateKeys = append(e.ready.CertificateKeys, e.certificates.all()...)
	}
}

// applySystem takes the system messages of one ordered block.
func (e *Engine) applySystem(c *Commit, b *dag.Verified) {
	for _, m := range b.Block().System {
		if e.sealing != nil {
			_ = e.sealing.keygen.Apply(c.Index, b.Author(), m) // its author's fault, and without consequence
		}
		if e.certificates != nil {
			_ = e.certificates.keygen.Apply(c.Index, b.Author(), m)
		}
	}
}

func (g *generation) ready(key keygen.Key) KeyReady {
	k := KeyReady{Key: key, Origins: g.keygen.Origins(key.ID)}
	if g.member == nil {
		return k
	}
	if share, err := g.member.Share(g.keygen, key.ID); err != nil {
		k.Lost = err
	} else {
		k.Share = &share
	}
	return k
}

// all is every key that there is.
func (g *generation) all() []KeyReady {
	var out []KeyReady
	for _, key := range g.keygen.Keys() {
		out = append(out, g.ready(key))
	}
	return out
}

// systemCost is more than what stands around a system message in a block.
const systemCost = 16

// systemMessages is what an own block carries of them, as far as it has room.
type systemMessages struct {
	round dag.Round // the block's
	floor dag.Round
	out   []dag.SystemMessage
	size  int
}

// add adds a message and reports whether there was room.
func (s *systemMessages) add(m dag.SystemMessage) bool {
	if len(s.out) == dag.MaxSystemMessages || s.size+systemCost+len(m.Payload) > dag.MaxSystemBytes {
		return false
	}
	s.out, s.size = append(s.out, m), s.size+systemCost+len(m.Payload)
	return true
}

// generation adds what a key generation is owed and no held block says.
func (s *systemMessages) generation(g *generation) {
	for _, m := range g.member.Messages(g.keygen) {
		id := crypto.Hash(crypto.DomainState, []byte{byte(m.Kind)}, m.Payload)
		if at, said := g.said[id]; (!said || at <= s.floor) && s.add(m) {
			g.said[id] = s.round
		}
	}
}

// system is the messages that the next own block carries: those of the key generations first, then
// signatures, then as many shares as fit.
func (e *Engine) system(next dag.Round) []dag.SystemMessage {
	s := systemMessages{round: next, floor: e.graph.Floor()}
	if e.sealing != nil && e.sealing.member != nil {
		s.generation(e.sealing.generation)
	}
	if e.certificates != nil && e.certificates.member != nil {
		s.generation(e.certificates.generation)
		e.certificates.say(&s)
	}
	if e.sealing != nil {
		e.sealing.say(&s)
	}
	return s.out
}

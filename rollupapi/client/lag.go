package client

import (
	"errors"
	"log/slog"
	"time"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// certifiedPatience is for how long nothing that is certified may come, while there is something that is not, until the log
// says so, and then how often it does. A healthy network certifies every second.
const certifiedPatience = time.Minute

// lag says in the log when a follower waits for certificates for long: else it would wait without a word. All methods may be
// called on nil, where nobody waits for any.
type lag struct {
	logger   *slog.Logger
	patience time.Duration
	since    time.Time // nothing has come since; zero while something does
	next     time.Time // of the next word
	said     bool      // since then
	owed     bool      // a node refused the certificate of what it shows, since then: it is not to be believed that all is certified
}

// look takes note of a message, and whether the follower has moved on by it.
func (l *lag) look(e *endpoint, m *pb.StreamResponse, moved bool) {
	if l == nil {
		return
	}
	w := m.GetWatermarks()
	if moved || !l.owed && w.GetCertified() >= w.GetCommitted() {
		l.moves(e, time.Now())
		return
	}
	l.waits(time.Now(), "node", e.url, "committed", w.GetCommitted(), "certified", w.GetCertified())
}

// refused takes note of an error, which may be that a node has no certificate for what it streams.
func (l *lag) refused(e *endpoint, err error) {
	if l != nil && notCertified(err) {
		l.owed = true
		l.waits(time.Now(), "node", e.url, "err", err)
	}
}

func (l *lag) waits(now time.Time, about ...any) {
	if l.since.IsZero() {
		l.since, l.next = now, now.Add(l.patience)
	}
	if now.Before(l.next) {
		return
	}
	l.next, l.said = now.Add(l.patience), true
	about = append(about, "for", now.Sub(l.since).Round(time.Second),
		"next", "what is not certified is not handed out: give the client more nodes, look at dunlin status on this one, or follow at COMMITTED or REVEALED")
	l.logger.Warn("waiting_for_certificates", about...)
}

func (l *lag) moves(e *endpoint, now time.Time) {
	if l.said {
		l.logger.Info("certificates_come_again", "node", e.url, "after", now.Sub(l.since).Round(time.Second))
	}
	l.since, l.said, l.owed = time.Time{}, false, false
}

// notCertified reports whether a node has refused something for want of a certificate.
func notCertified(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Reason == "NOT_CERTIFIED"
}

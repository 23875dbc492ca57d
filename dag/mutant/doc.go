// Package mutant names the errors that can be planted in the order on purpose, each in one line of
// dag or ordering. `make mutants` plants one after the other and sees which simulation or test
// notices it; an error that nothing notices is a missing test.
//
// In an ordinary build Planted is the constant false, and the compiler leaves nothing of the hooks.
package mutant

// Name names one error. Catalogue says what each one is.
type Name string

// The errors in the commit rule and its schedule.
const (
	OutsideCone         Name = "certificate-outside-cone"
	StepOver            Name = "undecided-anchor-stepped-over"
	CertificatesByBlock Name = "certificates-by-block"
	BlamesByBlock       Name = "blames-by-block"
	CommitQuorum        Name = "commit-quorum-minus-one"
	SkipQuorum          Name = "skip-quorum-minus-one"
	SkipValidity        Name = "skip-at-f-plus-one"
	VoteQuorum          Name = "vote-quorum-minus-one"
	WeakVotes           Name = "vote-from-any-round"
	EligibleEarly       Name = "anchor-at-r-plus-2"
	EligibleLate        Name = "anchor-at-r-plus-4"
	FirstSlot           Name = "anchor-is-first-slot"
	LastSlot            Name = "anchor-is-last-slot"
	HalfDecided         Name = "round-committed-half-decided"
	VerdictKept         Name = "verdict-kept-across-reschedule"
	SwitchLate          Name = "schedule-switch-one-commit-late"
	ScoresLocal         Name = "scores-from-local-dag"
	RotateEveryRound    Name = "rotation-by-r"
	DemoteMore          Name = "demotes-more-than-f"
)

// The errors in what a commit holds.
const (
	GCExclusive      Name = "gc-round-exclusive"
	GCLow            Name = "gc-one-round-low"
	GCHigh           Name = "gc-one-round-high"
	GCLocal          Name = "gc-from-local-clock"
	FloorEarly       Name = "floor-raised-too-early"
	TwinsOrdered     Name = "both-twins-ordered"
	TwinNotWalked    Name = "references-of-twin-not-walked"
	Watermark        Name = "watermark-instead-of-set"
	AuthorOrder      Name = "plain-author-order"
	OwnFirst         Name = "own-blocks-first"
	TimeBackwards    Name = "time-not-monotone"
	TimeLocal        Name = "time-from-own-clock"
	TimeHighest      Name = "time-highest-instead-of-median"
	DedupeOff        Name = "dedupe"
	DedupeEarly      Name = "dedupe-forgets-one-early"
	DroppedKept      Name = "dropped-items-remembered"
	ValidUntilEarly  Name = "valid-until-exclusive"
	ValidUntilBeyond Name = "valid-until-window-exclusive"
)

// The errors in proposing, restarting, fetching, evidence and the pool.
const (
	SkipOwnRounds   Name = "own-rounds-skipped"
	CiteBothTwins   Name = "both-twins-cited"
	CiteNoWeak      Name = "no-weak-references"
	ClockQuorum     Name = "clock-quorum-minus-one"
	ClockByBlock    Name = "clock-by-block"
	WaitForever     Name = "anchors-waited-for-without-end"
	AmnesiaOne      Name = "amnesia-m-plus-one"
	AmnesiaOff      Name = "amnesia-rule-skipped"
	RestartSilent   Name = "restart-without-asking"
	RestartForgets  Name = "restart-forgets-what-is-ordered"
	OwnNotPersisted Name = "own-blocks-not-persisted"
	FetchOnce       Name = "fetch-never-retried"
	StallSilent     Name = "stall-never-resends"
	AncestorIgnored Name = "last-missing-ancestor-ignored"
	EvidenceDropped Name = "evidence-dropped"
	PoolForgets     Name = "pool-loses-returned-items"
)

// The errors in sealing.
const (
	ShareEarly        Name = "share-before-commit"
	ShareOtherBatch   Name = "share-for-another-batch"
	InvalidUnverified Name = "invalid-from-unverified-shares"
	CheatQualified    Name = "proven-cheat-qualifies"
)

// The errors in certificates.
const (
	CertificateUnverified Name = "certificate-unverified"
	SignaturesWake        Name = "signatures-keep-awake"
	CheckpointByRound     Name = "checkpoint-by-round"
)

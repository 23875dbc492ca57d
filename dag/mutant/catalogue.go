package mutant

import "slices"

// Mutant is one error with what it does.
type Mutant struct {
	Name Name
	Does string
}

// Catalogue is every error, by subject.
func Catalogue() []Mutant { return slices.Concat(ordered(), sealed(), certified()) }

// certified is the errors in certificates.
func certified() []Mutant {
	return []Mutant{
		{CertificateUnverified, "a certificate is taken for good without having been verified"},
		{SignaturesWake, "signatures of checkpoints count as something that somebody waits for"},
		{CheckpointByRound, "commits of even rounds are not checkpoints"},
	}
}

// sealed is the errors in sealing.
func sealed() []Mutant {
	return []Mutant{
		{ShareEarly, "a share is said for sealed items that are accepted and not committed"},
		{ShareOtherBatch, "a share is made for another batch than the commit's"},
		{InvalidUnverified, "an item is taken for invalid from shares that were not verified"},
		{CheatQualified, "the deal of a proven cheat goes into the key"},
	}
}

// ordered is the errors in the order.
func ordered() []Mutant {
	return []Mutant{
		{OutsideCone, "the indirect rule finds certificates anywhere, not only in the anchor's cone"},
		{StepOver, "an undecided slot is stepped over in search of an anchor"},
		{CertificatesByBlock, "an author's twins count as certificates of two authors"},
		{BlamesByBlock, "an author's twins count as blames of two authors"},
		{CommitQuorum, "certificates by one author less than a quorum commit"},
		{SkipQuorum, "blames by one author less than a quorum skip"},
		{SkipValidity, "blames by f+1 authors skip"},
		{VoteQuorum, "votes by one author less than a quorum make a certificate"},
		{WeakVotes, "a reference from any later round counts as a vote"},
		{EligibleEarly, "an anchor two rounds later decides"},
		{EligibleLate, "only an anchor four rounds later decides"},
		{FirstSlot, "the first slot of a round is its anchor, skipped or not"},
		{LastSlot, "the last slot of a round that is not skipped is its anchor"},
		{HalfDecided, "a round is handed out while later slots of it are undecided"},
		{VerdictKept, "verdicts survive a change of the schedule"},
		{SwitchLate, "a new schedule takes effect one commit late"},
		{ScoresLocal, "blocks are scored when they arrive too"},
		{RotateEveryRound, "the first slot moves on every round"},
		{DemoteMore, "f+1 authors can lose their slots"},
		{GCExclusive, "the collected round is one lower than the rule says"},
		{GCLow, "a commit orders blocks of the collected round"},
		{GCHigh, "a commit leaves out blocks just above the collected round"},
		{GCLocal, "the collected round derives from the node's own clock"},
		{FloorEarly, "the DAG forgets a round that the next commit may still order"},
		{TwinsOrdered, "both twins of a slot are ordered"},
		{TwinNotWalked, "what a second twin refers to is not ordered"},
		{Watermark, "a block below its author's newest ordered one counts as ordered"},
		{AuthorOrder, "authors are not rotated with the round"},
		{OwnFirst, "a node orders its own blocks first"},
		{TimeBackwards, "commit time is the bare median"},
		{TimeLocal, "commit time is the node's own clock"},
		{TimeHighest, "commit time is the highest of the parents' times"},
		{DedupeOff, "what was accepted before is accepted again"},
		{DedupeEarly, "an accepted id is forgotten one commit early"},
		{DroppedKept, "items that a filter kept out are remembered as accepted"},
		{ValidUntilEarly, "an item expires at its valid_until"},
		{ValidUntilBeyond, "an item valid for exactly the whole window is too far ahead"},
		{SkipOwnRounds, "a validator that is behind jumps to the newest round"},
		{CiteBothTwins, "a block refers to both twins of an author"},
		{CiteNoWeak, "blocks do not refer to blocks that came late"},
		{ClockQuorum, "the clock moves at one author less than a quorum"},
		{ClockByBlock, "the clock counts blocks instead of authors"},
		{WaitForever, "the proposer waits for anchors without a time limit"},
		{AmnesiaOne, "after a lost log a validator goes on one round too early"},
		{AmnesiaOff, "a lost log is treated as whole"},
		{RestartSilent, "a validator speaks after a restart without asking the others"},
		{RestartForgets, "a restart forgets which blocks were ordered"},
		{OwnNotPersisted, "own blocks leave without having been written"},
		{FetchOnce, "a missing block is asked for only once"},
		{StallSilent, "a node without progress says nothing"},
		{AncestorIgnored, "a block joins the DAG with one ancestor missing"},
		{EvidenceDropped, "equivocations are not reported"},
		{PoolForgets, "items of collected own blocks are not proposed again"},
	}
}

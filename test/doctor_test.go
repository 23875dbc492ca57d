package test

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
	"github.com/dunlin-network/dunlin/internal/doctor"
)

// The doctor finds nothing at a node that is well, sees who is away, and notices whose API it is asked to look at.
func TestDoctor(t *testing.T) {
	t.Parallel()
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	f.until(0, "has a sealing key and all peers", func(s status) bool { return s.Sealing.Serving > 0 && s.Peers == 3 })
	home := f.network.Nodes[0].Home
	healthy, findings := f.doctor("--home", home)
	if !healthy {
		t.Errorf("a node that is well: %+v", findings)
	}
	for _, check := range []string{"home", "log", "running", "api", "proposing", "peers", "sealing", "clock", "reach"} {
		if level := levelOf(findings, check); level == "" || level == doctor.Bad {
			t.Errorf("%s of a node that is well is %q: %+v", check, level, findings)
		}
	}
	f.kill(3)
	f.until(0, "misses one", func(s status) bool { return s.Peers == 2 })
	healthy, findings = f.doctor("--home", home)
	if !healthy || levelOf(findings, "peers") != doctor.Warning || levelOf(findings, "reach") != doctor.Warning {
		t.Errorf("without one of four: healthy %v, %+v", healthy, findings)
	}
	if healthy, findings = f.doctor("--home", home, "--api", f.network.Nodes[1].API); healthy || levelOf(findings, "identity") != doctor.Bad {
		t.Errorf("the API of another node: healthy %v, %+v", healthy, findings)
	}
	f.kill(2)
	f.until(0, "has no quorum", func(s status) bool { return !s.Proposing })
	if healthy, findings = f.doctor("--api", f.network.Nodes[0].API); healthy || levelOf(findings, "proposing") != doctor.Bad {
		t.Errorf("without a quorum: healthy %v, %+v", healthy, findings)
	}
}

// doctor runs dunlin doctor and holds its exit code against what it prints.
func (f *fleet) doctor(args ...string) (healthy bool, findings []doctor.Finding) {
	f.t.Helper()
	out, err := exec.Command(program(f.t), append([]string{"doctor", "--json"}, args...)...).Output()
	var report struct {
		Healthy  bool
		Findings []doctor.Finding
	}
	if err := json.Unmarshal(out, &report); err != nil {
		f.t.Fatalf("%v in %s", err, out)
	}
	if report.Healthy != (err == nil) {
		f.t.Errorf("healthy %v, and exits with %v", report.Healthy, err)
	}
	return report.Healthy, report.Findings
}

// levelOf is the worst level of a check; empty if it was not made.
func levelOf(findings []doctor.Finding, check string) doctor.Level {
	var of []doctor.Finding
	for _, f := range findings {
		if f.Check == check {
			of = append(of, f)
		}
	}
	if len(of) == 0 {
		return ""
	}
	return doctor.Worst(of)
}

package rollupapi_test

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
	sequencingpb "github.com/dunlin-network/dunlin/rollupapi/gen/sequencing"
)

// One target for each procedure: no bytes as its request, protobuf or JSON, panic or are answered by a 5xx that is not
// stated. TestEveryProcedureIsFuzzed holds the list to the schema.

func FuzzSubmit(f *testing.F)             { fuzzProcedure(f, "dunlin.v1.Ingress/Submit") }
func FuzzSubmitBundle(f *testing.F)       { fuzzProcedure(f, "dunlin.v1.Ingress/SubmitBundle") }
func FuzzSubmitSealed(f *testing.F)       { fuzzProcedure(f, "dunlin.v1.Ingress/SubmitSealed") }
func FuzzGetEncryptionKey(f *testing.F)   { fuzzProcedure(f, "dunlin.v1.Ingress/GetEncryptionKey") }
func FuzzGet(f *testing.F)                { fuzzProcedure(f, "dunlin.v1.Status/Get") }
func FuzzWatch(f *testing.F)              { fuzzProcedure(f, "dunlin.v1.Status/Watch") }
func FuzzGetInfo(f *testing.F)            { fuzzProcedure(f, "dunlin.v1.Read/GetInfo") }
func FuzzGetNode(f *testing.F)            { fuzzProcedure(f, "dunlin.v1.Read/GetNode") }
func FuzzGetNetwork(f *testing.F)         { fuzzProcedure(f, "dunlin.v1.Read/GetNetwork") }
func FuzzGetCommit(f *testing.F)          { fuzzProcedure(f, "dunlin.v1.Read/GetCommit") }
func FuzzGetCertificate(f *testing.F)     { fuzzProcedure(f, "dunlin.v1.Read/GetCertificate") }
func FuzzLightUpdate(f *testing.F)        { fuzzProcedure(f, "dunlin.v1.Read/LightUpdate") }
func FuzzRange(f *testing.F)              { fuzzProcedure(f, "dunlin.v1.Read/Range") }
func FuzzStream(f *testing.F)             { fuzzProcedure(f, "dunlin.v1.Read/Stream") }
func FuzzGetProof(f *testing.F)           { fuzzProcedure(f, "dunlin.v1.Read/GetProof") }
func FuzzGetRound(f *testing.F)           { fuzzProcedure(f, "dunlin.v1.Read/GetRound") }
func FuzzGetBlock(f *testing.F)           { fuzzProcedure(f, "dunlin.v1.Read/GetBlock") }
func FuzzGetDependencies(f *testing.F)    { fuzzProcedure(f, "dunlin.v1.Read/GetDependencies") }
func FuzzStreamDependencies(f *testing.F) { fuzzProcedure(f, "dunlin.v1.Read/StreamDependencies") }
func FuzzSubmitRollupTransaction(f *testing.F) {
	fuzzProcedure(f, "sequencing.SequencerInput/SubmitRollupTransaction")
}
func FuzzGetNextBatch(f *testing.F) { fuzzProcedure(f, "sequencing.SequencerOutput/GetNextBatch") }
func FuzzVerifyBatch(f *testing.F)  { fuzzProcedure(f, "sequencing.BatchVerifier/VerifyBatch") }

// procedures are all procedures of Connect with an example of each request.
var procedures = map[string]proto.Message{
	"dunlin.v1.Ingress/Submit":                          &pb.SubmitRequest{Namespace: 1003, Payloads: [][]byte{{1}}, Wait: pb.Wait_WAIT_NONE, IdempotencyKey: "k"},
	"dunlin.v1.Ingress/SubmitBundle":                    &pb.SubmitBundleRequest{Legs: []*pb.Leg{{Namespace: 1003, Payload: []byte{1}}}, Wait: pb.Wait_WAIT_NONE},
	"dunlin.v1.Ingress/SubmitSealed":                    &pb.SubmitSealedRequest{Items: []*pb.SealedItem{{Namespaces: []uint64{1003}, Ciphertext: make([]byte, 200), ValidUntilCommit: 9}}},
	"dunlin.v1.Ingress/GetEncryptionKey":                &pb.GetEncryptionKeyRequest{KeyId: 1, WithDeals: true, WithBlocks: true},
	"dunlin.v1.Status/Get":                              &pb.GetRequest{Id: make([]byte, 32)},
	"dunlin.v1.Status/Watch":                            &pb.WatchRequest{Ids: [][]byte{make([]byte, 32)}},
	"dunlin.v1.Read/GetInfo":                            &pb.GetInfoRequest{},
	"dunlin.v1.Read/GetNode":                            &pb.GetNodeRequest{},
	"dunlin.v1.Read/GetNetwork":                         &pb.GetNetworkRequest{},
	"dunlin.v1.Read/GetCommit":                          &pb.GetCommitRequest{Index: 1},
	"dunlin.v1.Read/GetCertificate":                     &pb.GetCertificateRequest{Commit: 1},
	"dunlin.v1.Read/LightUpdate":                        &pb.LightUpdateRequest{FromEpoch: 1},
	"dunlin.v1.Read/Range":                              &pb.RangeRequest{Namespaces: []uint64{1003}, Cursor: "genesis", MaxItems: 1, WithProofs: true},
	"dunlin.v1.Read/Stream":                             &pb.StreamRequest{Namespaces: []uint64{1003}, Cursor: "genesis", WithProofs: true},
	"dunlin.v1.Read/GetProof":                           &pb.GetProofRequest{Namespace: 1003, Commit: 1, ToCommit: 2},
	"dunlin.v1.Read/GetRound":                           &pb.GetRoundRequest{Round: 1},
	"dunlin.v1.Read/GetBlock":                           &pb.GetBlockRequest{Ref: &pb.BlockRef{Round: 1, Digest: make([]byte, 32)}},
	"dunlin.v1.Read/GetDependencies":                    &pb.GetDependenciesRequest{Commit: 1},
	"dunlin.v1.Read/StreamDependencies":                 &pb.StreamDependenciesRequest{Cursor: "genesis"},
	"sequencing.SequencerInput/SubmitRollupTransaction": &sequencingpb.SubmitRollupTransactionRequest{},
	"sequencing.SequencerOutput/GetNextBatch":           &sequencingpb.GetNextBatchRequest{},
	"sequencing.BatchVerifier/VerifyBatch":              &sequencingpb.VerifyBatchRequest{},
}

// streamed are the procedures whose messages are framed.
var streamed = []string{"dunlin.v1.Status/Watch", "dunlin.v1.Read/Stream", "dunlin.v1.Read/StreamDependencies"}

func fuzzProcedure(f *testing.F, name string) {
	h := port(f)
	example := procedures[name]
	raw, err := proto.Marshal(example)
	if err != nil {
		f.Fatal(err)
	}
	text, err := protojson.Marshal(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(true, text)
	f.Add(false, raw)
	f.Fuzz(func(t *testing.T, asJSON bool, raw []byte) {
		kind := "proto"
		if asJSON {
			kind = "json"
		}
		if slices.Contains(streamed, name) {
			kind = "connect+" + kind
			raw = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))), raw...)
		}
		r := httptest.NewRequest(http.MethodPost, "http://localhost/"+name, strings.NewReader(string(raw)))
		r.Header.Set("Content-Type", "application/"+kind)
		hit(t, h, r)
	})
}

// Every procedure of the schema has its example and its target.
func TestEveryProcedureIsFuzzed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("fuzz_connect_test.go")
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, file := range []protoreflect.FileDescriptor{pb.File_dunlin_v1_ingress_proto, pb.File_dunlin_v1_status_proto, pb.File_dunlin_v1_read_proto, sequencingpb.File_sequencing_sequencing_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				name := string(service.FullName()) + "/" + string(method.Name())
				known++
				if !strings.Contains(string(source), fmt.Sprintf("fuzzProcedure(f, %q)", name)) {
					t.Errorf("%s has no target", name)
				}
				if example := procedures[name]; example == nil || example.ProtoReflect().Descriptor() != method.Input() {
					t.Errorf("%s has no example of its request", name)
				}
			}
		}
	}
	if known != len(procedures) {
		t.Errorf("%d procedures, %d examples", known, len(procedures))
	}
}

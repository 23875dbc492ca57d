package main

import (
	"context"
	"errors"
	"time"

	"github.com/dunlin-network/dunlin/rollupapi/client"
)

// certifiedPause is between two questions for a certificate: validators sign every few commits.
const certifiedPause = 100 * time.Millisecond

// awaitCertificate waits until a certificate covers the commit that a result stands in, holds the certificate against
// the key, and says so in the result. Where ctx ends first the error says how to go on.
func awaitCertificate(ctx context.Context, node *client.Client, r client.Result) (client.Result, error) {
	for {
		_, err := node.Certificate(ctx, r.Commit)
		var refusal *client.Error
		switch {
		case err == nil:
			if r.State == client.Committed || r.State == client.Revealed {
				r.State = client.Certified
			}
			return r, nil
		case errors.Is(err, client.ErrUncertified), errors.Is(err, client.ErrOrigin):
			return r, refused(err, "it is committed at item %d of commit %d on the node's word alone: ask another node with --api, and see that --genesis is this network's", r.Index, r.Commit)
		case ctx.Err() == nil && (!errors.As(err, &refusal) || !refusal.Retryable):
			return r, explain(node, err)
		}
		select {
		case <-time.After(certifiedPause):
		case <-ctx.Done():
			return r, withHint(err, "it is committed, and stays so; curl %s/v1/commits/%d/certificate asks again for the certificate", node.Endpoint(), r.Commit)
		}
	}
}

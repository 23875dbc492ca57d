package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/dag"
	"github.com/dunlin-network/dunlin/rollupapi/client"
	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// defaultAPI is where a node serves its API unless its config says otherwise.
const defaultAPI = "http://127.0.0.1:8080"

// tokenVariable is the environment variable that holds the bearer token of a node that wants one.
const tokenVariable = "DUNLIN_TOKEN"

// apiFlag adds --api, which names the nodes to talk to.
func apiFlag(c *cobra.Command, api *string) {
	c.Flags().StringVar(api, "api", "", "URL of a node's API, or several with commas (default $DUNLIN_API, else "+defaultAPI+"); its bearer token, where it wants one, is $"+tokenVariable)
}

// connect returns a client of the nodes that --api names. The caller closes it.
func connect(api string) (*client.Client, error) {
	return connectAs(api, client.Config{})
}

// connectAs is connect with more than endpoints in the client's config.
func connectAs(api string, config client.Config) (*client.Client, error) {
	if api == "" {
		api = os.Getenv("DUNLIN_API")
	}
	if api == "" {
		api = defaultAPI
	}
	config.Endpoints, config.Token = strings.Split(api, ","), os.Getenv(tokenVariable)
	c, err := client.NewFrom(config)
	if err != nil {
		return nil, withHint(err, "--api %s", defaultAPI)
	}
	return c, nil
}

// ask calls fn with a client of the nodes that --api names, for no longer than patience, and says what to do
// about an error of theirs.
func ask(c *cobra.Command, api string, patience time.Duration, fn func(context.Context, *client.Client) error) error {
	node, err := connect(api)
	if err != nil {
		return err
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	return explain(node, fn(ctx, node))
}

// explain says what to do about an error of the API. One that says so itself stays as it is.
func explain(c *client.Client, err error) error {
	var told interface{ Hint() string }
	var refusal *client.Error
	var unreachable *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.As(err, &told):
		return err
	case errors.As(err, &refusal) && refusal.Reason == "UNAUTHENTICATED":
		return refused(err, "export "+tokenVariable+"=...; the node's operator hands it out")
	case errors.As(err, &refusal) && refusal.Reason == "HOST_FORBIDDEN":
		return refused(err, "give --api with the node's IP address; or the node's operator lists the name in api.origins")
	case errors.As(err, &refusal) && refusal.Retryable:
		return refused(err, "try again in %v", refusal.RetryAfter)
	case errors.As(err, &refusal) && (refusal.Reason == "NAMESPACE_UNKNOWN" || refusal.Reason == "NAMESPACE_CLOSED"):
		return refused(err, "curl %s/v1/network lists the namespaces", c.Endpoint())
	case errors.As(err, &refusal) && refusal.Reason == "CONTROL_REFUSED":
		return refused(err, "dunlin namespace list --api %s shows what stands, and who may change it", c.Endpoint())
	case errors.As(err, &refusal):
		return refused(err, "curl %s/v1/info lists the limits", c.Endpoint())
	case errors.As(err, &unreachable):
		return withHint(err, "is a node running at %s? Start a network with: dunlin devnet; or name another node with --api URL", c.Endpoint())
	}
	return withHint(err, "look the node over with: dunlin doctor --api %s", c.Endpoint())
}

// maxKnown is how many namespaces are named to who asks for one that is not there.
const maxKnown = 16

// namespaceOf finds a namespace by its id or its name, and what the network says of it.
func namespaceOf(ctx context.Context, c *client.Client, text string) (*dunlinv1.GetNetworkResponse, *dunlinv1.NamespaceInfo, error) {
	network, err := c.Network(ctx)
	if err != nil {
		return nil, nil, explain(c, err)
	}
	id, notNumber := strconv.ParseUint(text, 10, 64)
	var known []string
	for _, ns := range network.GetNamespaces() {
		if ns.GetName() == text || notNumber == nil && ns.GetId() == id {
			return network, ns, nil
		}
		known = append(known, fmt.Sprintf("%d (%s)", ns.GetId(), ns.GetName()))
	}
	if more := len(known) - maxKnown; more > 0 {
		known = append(known[:maxKnown], fmt.Sprintf("and %d more: dunlin namespace list", more))
	}
	return nil, nil, refused(fmt.Errorf("the network has no namespace %q", text), "it has %s", strings.Join(known, ", "))
}

// namespaceIDs finds several namespaces.
func namespaceIDs(ctx context.Context, c *client.Client, texts []string) ([]dag.Namespace, error) {
	var out []dag.Namespace
	for _, text := range texts {
		_, ns, err := namespaceOf(ctx, c, text)
		if err != nil {
			return nil, err
		}
		out = append(out, dag.Namespace(ns.GetId()))
	}
	return out, nil
}

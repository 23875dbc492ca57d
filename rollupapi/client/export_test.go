package client

import "time"

// SetLagPatience shortens for how long a client waits for certificates without a word.
func SetLagPatience(c *Client, d time.Duration) { c.lagPatience = d }

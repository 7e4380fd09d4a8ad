// Package breaker is the platform's one global circuit breaker, kept in Redis
// where the Python app keeps it and readable by both.
//
// The breaker is open or closed. Any failure of any third-party service opens it
// at once; only a person closes it: no success, no time to live and no lost key
// does. Every transition has an epoch, a number that only grows.
//
// A service makes one Breaker and shares it:
//
//	b, err := breaker.New(client, breaker.Settings{Service: "apollo"})
//	b.Start(ctx)                    // keeps Allow fresh
//	defer b.Stop()
//	err = b.Do(ctx, func(ctx context.Context) error { return call(ctx) })
//
// Beside the app's key lie three names in the same Redis Cluster slot: the ledger
// (a hash: what was last known, so that a lost key or a foreign write is seen),
// the events (a capped stream: the transitions) and a channel that tells watchers
// to look again. Every change is one server-side script and one round trip.
package breaker

package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Identity says which Redis database a snapshot is of.
//
// No single name lasts: the run id changes at each restart, the replication id at
// a restart without a saved one, the address at a failover, and a copy of a
// database carries its data. So a database is taken for the same when its number
// is the same and either the server proves it (run id, replication history, a
// Cluster node in common), or both the mark that the first migration left in the
// data and the address are the same. An address alone proves nothing: tunnels and
// ports are reused.
type Identity struct {
	Mark    string   `json:"mark,omitempty"` // in the data: the field id of the marker key
	Mode    string   `json:"mode"`           // single, sentinel or cluster
	Address string   `json:"address"`
	DB      int      `json:"db"`
	RunID   string   `json:"run_id,omitempty"`
	ReplIDs []string `json:"replication_ids,omitempty"`
	Nodes   []string `json:"cluster_nodes,omitempty"`
	Version string   `json:"redis_version,omitempty"`
}

// String is the address and the database, for people.
func (i Identity) String() string {
	if i.Mode == "cluster" {
		return "cluster " + i.Address
	}
	return fmt.Sprintf("%s database %d", i.Address, i.DB)
}

// same says whether now is the database that i was; if not, why.
func (i Identity) same(now Identity) (string, bool) {
	switch {
	case i.DB != now.DB:
		return fmt.Sprintf("it is of database %d, this is database %d", i.DB, now.DB), false
	case (i.Mode == "cluster") != (now.Mode == "cluster"):
		return fmt.Sprintf("it is of a %s Redis, this is a %s one", i.Mode, now.Mode), false
	case i.RunID != "" && i.RunID == now.RunID, meet(i.ReplIDs, now.ReplIDs), meet(i.Nodes, now.Nodes):
		return "", true
	case i.Mark != "" && i.Mark == now.Mark && i.Address == now.Address:
		return "", true
	case i.Address == now.Address:
		return fmt.Sprintf("the server at %s is another one, or was restarted without its data", i.Address), false
	}
	return fmt.Sprintf("it is of %s, this is %s", i, now), false
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// identify asks the server who it is. What it may not say is left out.
func (m *Migrator) identify(ctx context.Context) (Identity, error) {
	id := addressOf(m.s.Client)
	mark, err := m.s.Client.HGet(ctx, m.markerKey(), markID).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return id, fmt.Errorf("read %q: %w", m.markerKey(), err)
	}
	id.Mark = mark
	if cluster, ok := m.s.Client.(*redis.ClusterClient); ok {
		nodes, err := cluster.ClusterNodes(ctx).Result()
		if err == nil {
			for line := range strings.Lines(nodes) {
				name, _, _ := strings.Cut(line, " ")
				id.Nodes = append(id.Nodes, name)
			}
			slices.Sort(id.Nodes)
		}
		return id, ignoreDenied(err, "ask for the nodes of the cluster")
	}
	info, err := m.s.Client.Info(ctx).Result()
	fields := infoFields(info)
	id.RunID, id.Version = fields["run_id"], fields["redis_version"]
	for _, name := range []string{"master_replid", "master_replid2"} {
		if v := fields[name]; strings.Trim(v, "0") != "" {
			id.ReplIDs = append(id.ReplIDs, v)
		}
	}
	return id, ignoreDenied(err, "ask the server who it is with INFO")
}

func addressOf(client redis.UniversalClient) Identity {
	switch c := client.(type) {
	case *redis.ClusterClient:
		addrs := slices.Sorted(slices.Values(c.Options().Addrs))
		return Identity{Mode: "cluster", Address: strings.Join(addrs, ",")}
	case *redis.Client:
		o := c.Options()
		if o.Addr == "FailoverClient" {
			return Identity{Mode: "sentinel", Address: o.Addr, DB: o.DB}
		}
		return Identity{Mode: "single", Address: o.Addr, DB: o.DB}
	}
	return Identity{Mode: "single"}
}

func ignoreDenied(err error, doing string) error {
	if err == nil || redis.HasErrorPrefix(err, "NOPERM") {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func infoFields(info string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

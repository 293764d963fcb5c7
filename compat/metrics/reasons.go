package metrics

import "strings"

// still says why a family keeps its value on a healthy server of one member.
var still = map[string]string{
	"etcd_cluster_version":                       "a label; 1",
	"etcd_server_version":                        "a label; 1",
	"etcd_server_id":                             "a label; 1",
	"etcd_server_feature_enabled":                "set at start, see TestFeatureGates",
	"etcd_server_quota_backend_bytes":            "set at start",
	"etcd_server_has_leader":                     "one member always leads",
	"etcd_server_is_leader":                      "one member always leads",
	"etcd_server_is_learner":                     "one member is a voter",
	"etcd_server_leader_changes_seen_total":      "one member elects itself before it serves",
	"etcd_server_proposals_failed_total":         "the log of one member fails only with its process",
	"etcd_server_read_indexes_failed_total":      "the barrier of one member cannot fail",
	"etcd_server_slow_read_indexes_total":        "the barrier of one member does not wait",
	"etcd_network_known_peers":                   "one member knows itself",
	"etcd_disk_defrag_inflight":                  "there is nothing to do in a defragmentation",
	"os_fd_limit":                                "set at start",
	"process_max_fds":                            "set at start",
	"process_virtual_memory_max_bytes":           "set at start",
	"process_start_time_seconds":                 "set at start",
	"promhttp_metric_handler_requests_in_flight": "the page that shows it is the one under way",
}

// fleeting families may be seen moved or not: the hub's backlog is back at zero within a turn, most often
// before a page can be read. tests/shim/watch looks at it between turns.
var fleeting = map[string]bool{"etcd_debugging_mvcc_pending_events_total": true}

const (
	noGo     = "there is no Go runtime"
	noPeers  = "one member has no peers"
	noBbolt  = "phases of bbolt's commit; a checkpoint is one file written from front to end"
	noSnaps  = "one member neither writes .snap files nor is sent a database"
	noProxy  = "there is no gRPC proxy"
	noStore2 = "etcd's legacy v2 store is not there"
)

// absent says why a family of etcd's is not on the page. A name that ends in * stands for all that begin
// so.
var absent = map[string]string{
	"etcd_debugging_auth_revision":                                     "users and roles are not built",
	"etcd_debugging_disk_backend_commit_*":                             noBbolt,
	"etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds": "index and rows are compacted in the same slices: ..._db_compaction_pause_duration_milliseconds",
	"etcd_debugging_snap_save_*":                                       noSnaps,
	"etcd_snap_*":                                                      noSnaps,
	"etcd_server_snapshot_apply_in_progress_total":                     noSnaps,
	"etcd_debugging_store_*":                                           noStore2,
	"etcd_grpc_proxy_*":                                                noProxy,
	"etcd_network_active_peers":                                        noPeers,
	"etcd_network_disconnected_peers_total":                            noPeers,
	"etcd_network_server_stream_failures_total":                        noPeers,
	"etcd_network_peer_*":                                              noPeers,
	"etcd_network_snapshot_*":                                          noPeers,
	"etcd_server_heartbeat_send_failures_total":                        noPeers,
	"etcd_server_learner_promote_failures":                             noPeers,
	"etcd_server_learner_promote_successes":                            noPeers,
	"etcd_server_go_version":                                           noGo,
	"go_*":                                                             noGo,
}

// reasonFor finds the entry of `absent` for a family.
func reasonFor(name string) (entry string, found bool) {
	for entry := range absent {
		prefix, all := strings.CutSuffix(entry, "*")
		if entry == name || all && strings.HasPrefix(name, prefix) {
			return entry, true
		}
	}
	return "", false
}

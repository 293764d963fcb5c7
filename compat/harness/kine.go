package harness

import "strings"

// KineSQLite is kine's endpoint of a file: its own default parameters, with the syncing given ("FULL":
// every commit, "NORMAL": kine's default, which loses the last ones at a crash of the machine).
func KineSQLite(path, synchronous string) string {
	return "sqlite://" + path + "?_journal_mode=WAL&_busy_timeout=30000&_txlock=immediate&_stmt_cache_size=20" +
		"&cache=shared&_synchronous=" + synchronous
}

// KinePostgres is kine's endpoint of a database. Its driver sends what only libpq knows to the server,
// which refuses it, so that goes.
func KinePostgres(url string) string {
	address, _, _ := strings.Cut(url, "?")
	return address + "?sslmode=disable"
}

package sql

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"keelson/compat/harness"
)

// fault does harm and undoes it; the cluster is then whole again, if it heals by itself.
type fault struct {
	name string
	do   func(c *cluster, random *rand.Rand) error
}

func anyInstance(c *cluster, random *rand.Rand) *instance {
	return c.instances[random.IntN(len(c.instances))]
}

// upTo waits a random time.
func upTo(random *rand.Rand, limit time.Duration) {
	time.Sleep(time.Duration(random.Int64N(int64(limit))))
}

func killInstance(c *cluster, random *rand.Rand) error {
	one := anyInstance(c, random)
	one.server.Kill()
	upTo(random, 300*time.Millisecond)
	return one.server.Start()
}

func pauseInstance(c *cluster, random *rand.Rand) error {
	one := anyInstance(c, random)
	one.server.Signal(syscall.SIGSTOP)
	upTo(random, 1500*time.Millisecond)
	one.server.Signal(syscall.SIGCONT)
	return nil
}

func restartDatabase(c *cluster, _ *rand.Rand) error { return c.postgres.Restart() }

func killDatabase(c *cluster, random *rand.Rand) error {
	c.postgres.Kill()
	upTo(random, 300*time.Millisecond)
	return c.postgres.Start()
}

func pauseDatabase(c *cluster, random *rand.Rand) error {
	c.postgres.Pause()
	upTo(random, time.Second)
	c.postgres.Resume()
	return nil
}

// cutAtCommit lets an instance lose its line exactly when it commits, several times.
func cutAtCommit(at harness.CutPoint) func(*cluster, *rand.Rand) error {
	return func(c *cluster, random *rand.Rand) error {
		for range 1 + random.IntN(3) {
			one := anyInstance(c, random)
			sprung := one.proxy.CutAtCommit(at)
			select {
			case <-sprung:
			case <-time.After(5 * time.Second):
				one.proxy.Disarm()
				return fmt.Errorf("instance %d commits nothing within 5 s", one.index)
			}
		}
		return nil
	}
}

// outlive lets appends of all instances wait in the database when their lines are cut: they are carried
// out later, while their senders have long come back and ask what became of them.
func outlive(c *cluster, random *rand.Rand) error {
	held := make(chan error)
	go func() {
		_, err := c.postgres.Exec(c.database,
			"BEGIN; UPDATE keelson.log_head SET seq = seq; SELECT pg_sleep(0.5); ROLLBACK")
		held <- err
	}()
	time.Sleep(200 * time.Millisecond)
	for _, one := range c.instances {
		one.proxy.Cut()
		upTo(random, 50*time.Millisecond)
	}
	return <-held
}

func cutLines(c *cluster, random *rand.Rand) error {
	for range 1 + random.IntN(3) {
		one := anyInstance(c, random)
		if random.IntN(2) == 0 {
			one.proxy.Cut()
		} else {
			one.proxy.CutAfter(random.Int64N(20000))
		}
		upTo(random, 200*time.Millisecond)
		one.proxy.Disarm()
	}
	return nil
}

// isolate holds all traffic of an instance, or refuses it, so that it can prove nothing.
func isolate(c *cluster, random *rand.Rand) error {
	one := anyInstance(c, random)
	if random.IntN(2) == 0 {
		one.proxy.Hold()
		upTo(random, 1500*time.Millisecond)
		if random.IntN(2) == 0 {
			one.proxy.Cut()
		}
		one.proxy.Release()
		return nil
	}
	one.proxy.Refuse(true)
	one.proxy.Cut()
	upTo(random, time.Second)
	one.proxy.Refuse(false)
	return nil
}

// faults by what they are about; a round takes one of a group.
var faults = map[string][]fault{
	"kills":    {{"an instance is killed", killInstance}},
	"pauses":   {{"an instance is paused", pauseInstance}, {"the database is paused", pauseDatabase}},
	"database": {{"the database restarts", restartDatabase}, {"the database is killed", killDatabase}},
	"lines": {{"a line is cut before a commit", cutAtCommit(harness.BeforeCommit)},
		{"a line is cut after a commit", cutAtCommit(harness.AfterCommit)}, {"lines are cut", cutLines},
		{"an append outlives its line", outlive}, {"an instance is isolated", isolate}},
}

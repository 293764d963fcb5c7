// Package kube runs a real kube-apiserver on Keelson and checks every answer.
package kube

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"keelson/compat/harness"
)

const (
	token    = "test-token"
	eventTTL = 15 * time.Second
)

// apiServer is one kube-apiserver, without any other component of a cluster.
type apiServer struct {
	folder  string
	store   *harness.Server
	port    int
	logFile string
	daemon  *harness.Daemon
}

func newAPIServer(folder string, store *harness.Server) (*apiServer, error) {
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	a := &apiServer{folder: folder, store: store, port: port, logFile: filepath.Join(folder, "apiserver.log")}
	return a, a.writeFiles()
}

func (a *apiServer) path(name string) string { return filepath.Join(a.folder, name) }

// writeFiles makes the key pair that signs service accounts and the only user's token.
func (a *apiServer) writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"sa.key":     pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"sa.pub":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"tokens.csv": []byte(token + `,admin,admin,"system:masters"` + "\n"),
	}
	for name, content := range files {
		if err := os.WriteFile(a.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return os.MkdirAll(a.path("certs"), 0o700)
}

func (a *apiServer) url() string { return fmt.Sprintf("https://127.0.0.1:%d", a.port) }

func (a *apiServer) start() error {
	binary, err := harness.Tool("kube-apiserver")
	if err != nil {
		return err
	}
	arguments := []string{
		binary, "--etcd-servers=" + a.store.ClientURL,
		fmt.Sprintf("--secure-port=%d", a.port), "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--cert-dir=" + a.path("certs"), "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + a.path("sa.pub"), "--service-account-signing-key-file=" + a.path("sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=AlwaysAllow",
		"--token-auth-file=" + a.path("tokens.csv"), "--disable-admission-plugins=ServiceAccount",
		"--max-requests-inflight=2000", "--max-mutating-requests-inflight=2000",
		fmt.Sprintf("--event-ttl=%s", eventTTL),
	}
	if files := a.store.TLS; files != nil {
		arguments = append(arguments, "--etcd-cafile="+files.CAFile, "--etcd-certfile="+files.ClientCert,
			"--etcd-keyfile="+files.ClientKey)
	}
	a.daemon, err = harness.StartDaemon(arguments, a.logFile)
	return err
}

// awaitReady polls /readyz until it says ok.
func (a *apiServer) awaitReady(c *client, limit time.Duration) error {
	end := time.Now().Add(limit)
	for {
		code, body, err := c.do("GET", "/readyz", "", nil)
		if err == nil && code == 200 && string(body) == "ok" {
			return nil
		}
		select {
		case <-a.daemon.Exited():
			return fmt.Errorf("kube-apiserver ended; see the end of its log:\n%s", a.logTail())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready after %s: %d %.300s %v\n%s", limit, code, body, err, a.logTail())
		}
	}
}

func (a *apiServer) logTail() string {
	text, err := os.ReadFile(a.logFile)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

func (a *apiServer) stop() {
	if a.daemon != nil {
		a.daemon.Kill()
	}
}

// restart ends it politely and starts it again on the same store.
func (a *apiServer) restart(c *client) error {
	_ = a.daemon.Stop(5 * time.Second) // open watches keep it from ending at once
	c.reset()
	if err := a.start(); err != nil {
		return err
	}
	return a.awaitReady(c, 2*time.Minute)
}

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// TLS holds the files of a throw-away authority, a server certificate for loopback and a client
// certificate (common name "client").
type TLS struct {
	CAFile, ServerCert, ServerKey, ClientCert, ClientKey string
	// ClientAuth makes the server demand a certificate of the authority.
	ClientAuth bool
	pool       *x509.CertPool
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewTLS writes a fresh authority and its certificates to `folder`.
func NewTLS(folder string) (*TLS, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	out := &TLS{
		CAFile:     filepath.Join(folder, "ca.pem"),
		ServerCert: filepath.Join(folder, "server.pem"), ServerKey: filepath.Join(folder, "server.key"),
		ClientCert: filepath.Join(folder, "client.pem"), ClientKey: filepath.Join(folder, "client.key"),
		pool: x509.NewCertPool(),
	}
	out.pool.AddCert(ca.cert)
	if err := writePEM(out.CAFile, "CERTIFICATE", ca.cert.Raw); err != nil {
		return nil, err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "server"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if err := ca.issue(server, out.ServerCert, out.ServerKey); err != nil {
		return nil, err
	}
	client := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "client"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return out, ca.issue(client, out.ClientCert, out.ClientKey)
}

// ClientConfig trusts the authority; `withCert` also presents the client certificate.
func (t *TLS) ClientConfig(withCert bool) (*tls.Config, error) {
	config := &tls.Config{RootCAs: t.pool, MinVersion: tls.VersionTLS12}
	if withCert {
		pair, err := tls.LoadX509KeyPair(t.ClientCert, t.ClientKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "test authority"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if err := stamp(template); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key}, err
}

func (a *authority) issue(template *x509.Certificate, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := stamp(template); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if err := writePEM(certFile, "CERTIFICATE", der); err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(keyFile, "EC PRIVATE KEY", keyDER)
}

func stamp(template *x509.Certificate) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	return nil
}

func writePEM(path, kind string, der []byte) error {
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		return fmt.Errorf("harness: %w", err)
	}
	return nil
}

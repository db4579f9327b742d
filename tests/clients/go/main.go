// Logs in by golang.org/x/crypto/ssh with a key and its certificate, believing the host CA of a known_hosts file.
package main

import (
	"fmt"
	"log"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	key := must(ssh.ParsePrivateKey(must(os.ReadFile(os.Getenv("CLIENT_KEY")))))
	line, _, _, _, err := ssh.ParseAuthorizedKey(must(os.ReadFile(os.Getenv("CLIENT_CERTIFICATE"))))
	if err != nil {
		log.Fatal(err)
	}
	signer := must(ssh.NewCertSigner(line.(*ssh.Certificate), key))
	config := &ssh.ClientConfig{
		User:            os.Getenv("CLIENT_ACCOUNT"),
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: must(knownhosts.New(os.Getenv("CLIENT_KNOWN_HOSTS"))),
	}
	port := os.Getenv("CLIENT_PORT")
	socket := must(net.Dial("tcp", os.Getenv("CLIENT_ADDRESS")+":"+port))
	connection, channels, requests, err := ssh.NewClientConn(socket, os.Getenv("CLIENT_HOST")+":"+port, config)
	if err != nil {
		log.Fatal(err)
	}
	session := must(ssh.NewClient(connection, channels, requests).NewSession())
	fmt.Print(string(must(session.Output("whoami"))))
}

/* Logs in by libssh, with the certificate attached to its key. Whether libssh knows the host is printed as well. */
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(ssh_session session, const char *what) {
    fprintf(stderr, "%s: %s\n", what, ssh_get_error(session));
    return 1;
}

int main(void) {
    ssh_session session = ssh_new();
    int port = atoi(getenv("CLIENT_PORT"));
    ssh_options_set(session, SSH_OPTIONS_HOST, getenv("CLIENT_HOST"));
    ssh_options_set(session, SSH_OPTIONS_PORT, &port);
    ssh_options_set(session, SSH_OPTIONS_USER, getenv("CLIENT_ACCOUNT"));
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, getenv("CLIENT_KNOWN_HOSTS"));
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    if (ssh_connect(session) != SSH_OK) return fail(session, "connect");
    fprintf(stderr, "libssh %s; the host is %s\n", ssh_version(0),
            ssh_session_is_known_server(session) == SSH_KNOWN_HOSTS_OK ? "known" : "not known");
    ssh_key key = NULL, certificate = NULL;
    if (ssh_pki_import_privkey_file(getenv("CLIENT_KEY"), NULL, NULL, NULL, &key) != SSH_OK) return fail(session, "key");
    if (ssh_pki_import_cert_file(getenv("CLIENT_CERTIFICATE"), &certificate) != SSH_OK) return fail(session, "certificate");
    if (ssh_pki_copy_cert_to_privkey(certificate, key) != SSH_OK) return fail(session, "certificate and key");
    if (ssh_userauth_publickey(session, NULL, key) != SSH_AUTH_SUCCESS) return fail(session, "login");
    ssh_channel channel = ssh_channel_new(session);
    if (ssh_channel_open_session(channel) != SSH_OK) return fail(session, "channel");
    if (ssh_channel_request_exec(channel, "whoami") != SSH_OK) return fail(session, "exec");
    char text[256];
    int length = ssh_channel_read(channel, text, sizeof text - 1, 0);
    if (length > 0) printf("%.*s", length, text);
    ssh_channel_free(channel);
    ssh_key_free(key);
    ssh_key_free(certificate);
    ssh_disconnect(session);
    ssh_free(session);
    return 0;
}

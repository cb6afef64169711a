/*
 * Full TLS handshakes with a client certificate, one after the other, for some seconds: what
 * `openssl s_time -new` does, with a server name (SNI), which that one cannot send.
 *
 *     handshakes PORT NAME CA CERT KEY SECONDS   prints how many a second
 *
 * Each handshake is over when the server has judged the certificate: its ticket came, or, with
 * TLS 1.3 and no ticket, its answer to one byte.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int tickets; /* of the handshake at hand */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	tickets++;
	return 0;
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static bool shake(SSL_CTX *ctx, int port, const char *name)
{
	int fd = dial(port);
	SSL *ssl = SSL_new(ctx);
	char byte;

	tickets = 0;
	SSL_set_fd(ssl, fd);
	bool good = fd >= 0 && SSL_set_tlsext_host_name(ssl, (char *)(size_t)name) == 1 &&
		    SSL_set1_host(ssl, name) == 1 && SSL_connect(ssl) == 1;
	struct timeval brief = {.tv_usec = 200000};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof(brief));
	while (good && tickets == 0 && SSL_version(ssl) == TLS1_3_VERSION) {
		int n = SSL_peek(ssl, &byte, 1);
		int why = SSL_get_error(ssl, n);
		good = n > 0 || tickets > 0 || why == SSL_ERROR_WANT_READ;
		if (n > 0) {
			break;
		}
	}
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	close(fd);
	return good;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned long n = 0;

	if (argc != 7 || SSL_CTX_load_verify_locations(ctx, argv[3], NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(ctx, argv[4]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[5], SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "usage: handshakes PORT NAME CA CERT KEY SECONDS\n");
		return 2;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY); /* a ticket ends a read */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	double start = now(), seconds = atof(argv[6]);
	while (now() - start < seconds) {
		if (!shake(ctx, atoi(argv[1]), argv[2])) {
			ERR_print_errors_fp(stderr);
			fprintf(stderr, "a handshake failed\n");
			return 1;
		}
		n++;
	}
	printf("%.1f\n", (double)n / (now() - start));
	return 0;
}

#pragma once
/*
 * Enrollment over Secure Transport (RFC 7030, RFC 8951) for connectors, under
 * /.well-known/est/{subaccount}/:
 *
 *   GET  cacerts          certs-only PKCS#7 of the root and the issuing CA
 *   GET  csrattrs         P-256 and ecdsa-with-SHA256
 *   POST simpleenroll     Authorization: Basic (an owner's user and password) or Bearer (the token
 *                         of authentication data, bound at first use to the CSR's public key)
 *   POST simplereenroll   the TLS client certificate; an expired one, whose serial is active, too
 *
 * Requests are application/pkcs10 in base64. The installation's UUID comes in the field
 * Drawbridge-Instance, or else in the CSR's common name; simplereenroll takes the certificate's.
 * Answers of the two POSTs carry the issued certificate alone (RFC 7030, 4.2.3) and
 * Drawbridge-Owners. Refusals are application/problem+json.
 *
 * `user` of the server is a struct cloud_rooms (cloud/directory/rooms.h) with `ca` set.
 */
#include "cloud/ca/ca.h"
#include "cloud/directory/rooms.h"
#include "http/server.h"

extern const struct http_route est_routes[];

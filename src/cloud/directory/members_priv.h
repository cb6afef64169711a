#pragma once
/* Between members.c (what roles mean) and members_store.c (its SQL). */
#include "cloud/directory/members.h"

/* As given; 0 for who is no member. */
NODISCARD bool directory_member_roles(struct store *s, struct str subaccount, struct str user,
				      unsigned *roles, struct err *err);

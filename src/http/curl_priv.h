#pragma once
/* What the two users of libcurl share: its one start. */
void curl_start(void); /* any thread, any number of times */

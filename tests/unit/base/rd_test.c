#include "base/rd.h"

#include "unit/unit.h"

TEST(what_was_written_is_read)
{
	AUTO_BUF struct buf b = BUF(100);
	wr_u8(&b, 1);
	wr_u16(&b, 0x0203);
	wr_u32(&b, 0x04050607);
	wr_u64(&b, 0x08090A0B0C0D0E0F);
	wr_blob(&b, STR("end"));
	assert_memory_equal(b.at, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\0\0\0\3end", b.len);
	struct rd r = rd_over(buf_str(&b));
	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 0x0203);
	assert_int_equal(rd_u32(&r), 0x04050607);
	assert_true(rd_u64(&r) == 0x08090A0B0C0D0E0F);
	assert_false(rd_done(&r));
	assert_str(rd_blob(&r, 3), "end");
	assert_true(rd_done(&r));
}

TEST(a_short_read_fails_for_good)
{
	struct rd r = rd_over(STR("abc"));
	assert_int_equal(rd_u32(&r), 0);
	assert_int_equal(rd_u8(&r), 0);
	assert_false(rd_done(&r));
	r = rd_over(STR_NONE);
	assert_true(rd_done(&r));
}

TEST(a_blob_is_bounded_by_its_reader_and_by_the_input)
{
	struct rd r = rd_over(str_make("\0\0\0\4abcd", 8));
	assert_int_equal(rd_blob(&r, 3).len, 0);
	assert_true(r.failed);
	r = rd_over(str_make("\xff\xff\xff\xff", 4));
	assert_int_equal(rd_blob(&r, SIZE_MAX).len, 0);
	assert_true(r.failed);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_was_written_is_read),
	cmocka_unit_test(a_short_read_fails_for_good),
	cmocka_unit_test(a_blob_is_bounded_by_its_reader_and_by_the_input),
};
UNIT_MAIN(tests)

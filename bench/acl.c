// Takes rules as an array, gives a DPDK rte_acl context that classifies flows: a peer of the bench.
// Loaded by peers_acl.py. One context, one core, memory without huge pages.

#include <errno.h>
#include <stdint.h>

#include <rte_acl.h>
#include <rte_config.h>
#include <rte_eal.h>

enum { PROTOCOL, SRC, DST, PORT, PAD, FIELDS };

// What peers_acl.py packs, in the byte order of the wire.
struct flow {
    uint8_t protocol;
    uint8_t unused[3];
    uint32_t src, dst;
    uint16_t port, pad;
};

// In the byte order of the host, as rte_acl takes rules.
struct rule {
    uint32_t src, dst;
    uint8_t src_length, dst_length, protocol, protocol_mask;
    uint16_t first, last;
    uint32_t answer;
};

RTE_ACL_RULE_DEF(acl_rule, FIELDS);

static const struct rte_acl_field_def fields[FIELDS] = {
    {.type = RTE_ACL_FIELD_TYPE_BITMASK, .size = 1, .field_index = PROTOCOL, .input_index = 0,
     .offset = offsetof(struct flow, protocol)},
    {.type = RTE_ACL_FIELD_TYPE_MASK, .size = 4, .field_index = SRC, .input_index = 1,
     .offset = offsetof(struct flow, src)},
    {.type = RTE_ACL_FIELD_TYPE_MASK, .size = 4, .field_index = DST, .input_index = 2,
     .offset = offsetof(struct flow, dst)},
    {.type = RTE_ACL_FIELD_TYPE_RANGE, .size = 2, .field_index = PORT, .input_index = 3,
     .offset = offsetof(struct flow, port)},
    {.type = RTE_ACL_FIELD_TYPE_RANGE, .size = 2, .field_index = PAD, .input_index = 3,
     .offset = offsetof(struct flow, pad)},
};

int acl_start(void)
{
    static char *arguments[] = {"bench",   "--no-huge", "-m",        "2048",
                                "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=lib.*:error",
                                "--force-max-simd-bitwidth=512", "-l", "0"};
    return rte_eal_init(sizeof arguments / sizeof *arguments, arguments);
}

// Gives NULL and sets errno if the rules cannot be built.
struct rte_acl_ctx *acl_build(const struct rule *rules, unsigned count)
{
    const struct rte_acl_param param = {.name = "bench", .socket_id = SOCKET_ID_ANY,
                                        .rule_size = RTE_ACL_RULE_SZ(FIELDS),
                                        .max_rule_num = count};
    struct rte_acl_ctx *context = rte_acl_create(&param);
    if (context == NULL) {
        errno = rte_errno;
        return NULL;
    }
    int failed = 0;
    for (unsigned i = 0; i < count && !failed; i++) {
        const struct rule *given = rules + i;
        struct acl_rule rule = {0};
        rule.data.category_mask = 1;
        rule.data.priority = given->answer == 1 ? 2 : 1;
        rule.data.userdata = given->answer;
        rule.field[PROTOCOL].value.u8 = given->protocol;
        rule.field[PROTOCOL].mask_range.u8 = given->protocol_mask;
        rule.field[SRC].value.u32 = given->src;
        rule.field[SRC].mask_range.u32 = given->src_length;
        rule.field[DST].value.u32 = given->dst;
        rule.field[DST].mask_range.u32 = given->dst_length;
        rule.field[PORT].value.u16 = given->first;
        rule.field[PORT].mask_range.u16 = given->last;
        rule.field[PAD].mask_range.u16 = 0xFFFF;
        failed = rte_acl_add_rules(context, (const struct rte_acl_rule *)&rule, 1);
    }
    if (!failed) {
        struct rte_acl_config config = {.num_categories = 1, .num_fields = FIELDS};
        for (int i = 0; i < FIELDS; i++)
            config.defs[i] = fields[i];
        failed = rte_acl_build(context, &config);
    }
    if (failed) {
        rte_acl_free(context);
        errno = -failed;
        return NULL;
    }
    return context;
}

// Gives the highest answer of the rules that match each flow, 0 where none does.
int acl_classify(const struct rte_acl_ctx *context, const struct flow *flows, uint32_t *answers,
                 unsigned count)
{
    enum { BLOCK = 256 };
    const uint8_t *data[BLOCK];
    for (unsigned at = 0; at < count; at += BLOCK) {
        unsigned some = count - at < BLOCK ? count - at : BLOCK;
        for (unsigned i = 0; i < some; i++)
            data[i] = (const uint8_t *)(flows + at + i);
        int failed = rte_acl_classify(context, data, answers + at, some, 1);
        if (failed)
            return failed;
    }
    return 0;
}

#ifndef CORE_LOOP_LOOP_LIST_H
#define CORE_LOOP_LOOP_LIST_H
/* Lists of operations, for the backends' own use. An operation is in at most one list. */
#include <stddef.h>

#include "core/loop/loop.h"

/* Linked through loop_op.next and prev; zeroed is empty. */
struct op_list {
    struct loop_op *first;
    struct loop_op *last;
};

/* Inserts op right after `after`, or at the front of the list where `after` is NULL. */
static inline void op_list_insert(struct op_list *list, struct loop_op *after, struct loop_op *op)
{
    op->prev = after;
    op->next = after ? after->next : list->first;
    *(after ? &after->next : &list->first) = op;
    *(op->next ? &op->next->prev : &list->last) = op;
}

static inline void op_list_append(struct op_list *list, struct loop_op *op)
{
    op_list_insert(list, list->last, op);
}

static inline void op_list_remove(struct op_list *list, struct loop_op *op)
{
    *(op->prev ? &op->prev->next : &list->first) = op->next;
    *(op->next ? &op->next->prev : &list->last) = op->prev;
    op->next = op->prev = NULL;
}

/* Removes the first operation and returns it; NULL: the list is empty. */
static inline struct loop_op *op_list_take(struct op_list *list)
{
    struct loop_op *op = list->first;

    if (op)
        op_list_remove(list, op);
    return op;
}

#endif

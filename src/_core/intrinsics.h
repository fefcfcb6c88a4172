/* What Cython cannot say: prefetch, and forcing a helper into its caller's loop. */
#ifndef NETPOL_INTRINSICS_H
#define NETPOL_INTRINSICS_H

#if defined(__GNUC__) || defined(__clang__)
#define NETPOL_PREFETCH(address) __builtin_prefetch((address), 0, 3)
#define NETPOL_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define NETPOL_PREFETCH(address) ((void)0)
#define NETPOL_UNLIKELY(condition) (condition)
#endif

#endif

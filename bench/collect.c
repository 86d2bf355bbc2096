// The least that collecting can cost: the bulk call in a loop.
// Usage: collect URI COUNT GROUPS (0: all); prints the wall ms of each call, then the CPU ms of all of them.
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double clock_ms(clockid_t which) {
  struct timespec now;
  clock_gettime(which, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  virConnectPtr connection = virConnectOpenReadOnly(argv[1]);
  if (!connection) return 1;
  unsigned int groups = atoi(argv[3]);
  double cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
  for (int count = atoi(argv[2]); count > 0; count--) {
    virDomainStatsRecordPtr *records;
    double from = clock_ms(CLOCK_MONOTONIC);
    if (virConnectGetAllDomainStats(connection, groups, &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) < 0)
      return 1;
    printf("%.3f\n", clock_ms(CLOCK_MONOTONIC) - from);
    virDomainStatsRecordListFree(records);
  }
  printf("%.3f\n", clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu);
  virConnectClose(connection);
  return 0;
}

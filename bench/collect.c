// The least that collecting can cost: the bulk call in a loop. Usage: collect URI COUNT; prints the ms of each call.
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  virConnectPtr connection = virConnectOpenReadOnly(argv[1]);
  if (!connection) return 1;
  unsigned int groups = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |
                        VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK;
  for (int count = atoi(argv[2]); count > 0; count--) {
    struct timespec from, to;
    virDomainStatsRecordPtr *records;
    clock_gettime(CLOCK_MONOTONIC, &from);
    if (virConnectGetAllDomainStats(connection, groups, &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) < 0)
      return 1;
    clock_gettime(CLOCK_MONOTONIC, &to);
    virDomainStatsRecordListFree(records);
    printf("%.3f\n", (to.tv_sec - from.tv_sec) * 1e3 + (to.tv_nsec - from.tv_nsec) / 1e6);
  }
  virConnectClose(connection);
  return 0;
}

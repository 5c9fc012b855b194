module etcd2/bench

go 1.19

require go.etcd.io/etcd/client/v2 v2.305.9

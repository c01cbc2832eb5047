// The least that a program with LibTorch does: load it and make a tensor.

#include <ATen/ATen.h>

int main() { return at::zeros({1}).numel() == 1 ? 0 : 1; }

from slideconcord import compiled as module


def test_kernels_work_where_no_cache_can_be_kept(monkeypatch):
    def njit(cache=False, nogil=False):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        assert nogil
        return lambda kernel: kernel

    monkeypatch.setattr(module, "njit", njit)
    assert module.compiled(lambda x: x + 1)(2) == 3

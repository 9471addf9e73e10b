"""The device of transformers' runs."""


def torch_device(name, torch):
    """torch's name for vitro's `name`. A run that is for a GPU is never one on the CPU."""
    if name in ("cpu", "cuda-emulated"):
        return "cpu"
    if not torch.cuda.is_available():
        raise SystemExit(f"error: --device {name}: torch {torch.__version__} finds no CUDA device")
    return name if name.startswith("cuda") else "cuda"


def description(device, torch):
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device

"""A trained network as files that run without this project: TorchScript, ONNX, torch.export."""

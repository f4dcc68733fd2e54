from pathlib import Path
from re import search

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = search(r'__version__ = "([^"]+)"', (ROOT / "inet_d2/__init__.py").read_text()).group(1)

setup(
    name="inet_d2",
    version=VERSION,
    description="I-Net person search as a Detectron2 extension",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["inet_d2", "inet_d2.*"]),
    # requirements.txt pins one set. docs/dependencies.md has the reasons, and what of these ranges was tried.
    install_requires=[
        "torch>=2.4",
        "torchvision>=0.19",
        "detectron2",
        "fvcore>=0.1.5.post20221221",
        "numpy>=1.26.4,<3",
        "scipy>=1.12",
        "opencv-python-headless>=4.8.1",
        "pillow>=10.1",
        "pyyaml>=6",
        "pycocotools>=2.0.7",
        "tqdm>=4.60",
    ],
    entry_points={"console_scripts": ["inet-search = inet_d2.search.commands.main:main"]},
    package_data={"inet_d2.search": ["page/*"]},
    extras_require={
        "plot": ["matplotlib>=3.8"],
        "video": ["av>=14"],
        "web": ["starlette>=0.41", "uvicorn>=0.32"],
        "onnx": ["onnxruntime>=1.19", "onnx>=1.16", "openvino>=2025.0"],
        "milvus": ["pymilvus>=2.5"],
        "parquet": ["pyarrow>=17"],
        # Large, and not in requirements.txt; the tests that need them are skipped, with a line, where they are missing.
        "tests": ["playwright>=1.49", "milvus-lite>=3.2", "pymilvus>=2.5", "pyarrow>=17"],
    },
)

from setuptools import find_packages, setup

ENGINE = ["torch>=2.4", "torchvision>=0.19", "fvcore", "iopath", "pycocotools"]

setup(
    name="detectron2",  # the same name, so that pip replaces one engine by the other and never mixes them
    version="0.6+lite",
    description="The part of Detectron2 that the inet_d2 person search runs on, in pure Python",
    license="Apache-2.0",
    packages=find_packages(include=["detectron2", "detectron2.*"]),
    package_data={"detectron2.config": ["defaults.yaml"]},
    python_requires=">=3.10",
    install_requires=[*ENGINE, "numpy", "Pillow", "PyYAML", "tabulate", "termcolor"],
    extras_require={"tensorboard": ["tensorboard"]},
)

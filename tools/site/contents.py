"""What the site holds: its sections, the pages in them, and the pages of the reference."""

from __future__ import annotations

from dataclasses import dataclass

LANGUAGES = ("en", "zh")

# Texts come in pairs: English, Chinese. A page that exists in English only stands in English on the
# Chinese site.
SECTIONS: list[tuple[tuple[str, str], list[str]]] = [
    (("Tutorials", "教程"), [
        "touch_convolution", "backprop_through_convolution", "backprop_stride_to_groups",
        "backprop_through_a_network", "touch_network"]),
    (("How to", "操作指南"), [
        "it_does_not_learn", "coming_from_pytorch", "gpu", "distributed"]),
    (("Reference", "参考"), ["reference/index"]),
    (("Explanation", "原理"), ["convolution", "design", "performance", "reliability"]),
    (("Project", "项目"), ["contributing", "changelog", "security"]),
]  # fmt: skip

# How the Chinese contents call pages that exist in English only.
CHINESE_TITLES = {
    "gpu": "在 GPU 上（英文）", "distributed": "多个进程（英文）",
    "convolution": "卷积怎样计算（英文）", "design": "设计（英文）", "performance": "性能（英文）",
    "reliability": "可以依靠什么（英文）", "contributing": "参与开发（英文）",
    "changelog": "更新记录（英文）", "security": "安全（英文）",
}  # fmt: skip

# Documents that stand in the root of the repository.
ROOT_DOCUMENTS = {
    "contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md", "security": "SECURITY.md",
}  # fmt: skip

# Pages that frame a live page of docs/: title and what it is.
LIVE = {
    "touch_convolution": (
        "play.html",
        ("Touch a convolution", "动手玩卷积"),
        ("A convolution, forward and backward. Change any number, stride or padding.",
         "一个卷积，有前向也有反向。数字、步幅、填充都可以随手改。"),
    ),
    "touch_network": (
        "network.html",
        ("Touch a network", "动手玩网络"),
        ("A trained network that reads digits. Draw one, and follow it to the loss and back.",
         "一个训练好的识别手写数字的网络。自己写一个数字，看它走到损失，再走回来。"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One page of the reference: the public names of a module, or the methods of a class."""

    name: str  # of the file
    path: str  # of the module or class in tinynet
    place: str = ""  # where PyTorch or torchvision have these names
    own: tuple[str, ...] = ()  # names that only tinynet has


REFERENCE = [
    Page("tinynet", "tinynet", "torch", (
        "Checkpoint", "detect_anomaly", "expand_as", "grad", "gradcheck", "summary", "view_as")),
    Page("tensor", "tinynet.Tensor", "torch.Tensor"),
    Page("nn", "tinynet.nn", "torch.nn"),
    Page("module", "tinynet.nn.Module", "torch.nn.Module"),
    Page("functional", "tinynet.nn.functional", "torch.nn.functional"),
    Page("init", "tinynet.nn.init", "torch.nn.init"),
    Page("nn_utils", "tinynet.nn.utils", "torch.nn.utils"),
    Page("nn_parallel", "tinynet.nn.parallel", "torch.nn.parallel", ("DistributedDataParallel",)),
    Page("optim", "tinynet.optim", "torch.optim"),
    Page("optimizer", "tinynet.optim.Optimizer", "torch.optim.Optimizer"),
    Page("lr_scheduler", "tinynet.optim.lr_scheduler", "torch.optim.lr_scheduler"),
    Page("data", "tinynet.utils.data", "torch.utils.data"),
    Page("datasets", "tinynet.datasets", "torchvision.datasets", ("Images",)),
    Page("transforms", "tinynet.transforms", "torchvision.transforms"),
    Page("transforms_functional", "tinynet.transforms.functional",
         "torchvision.transforms.functional"),
    Page("vision_utils", "tinynet.vision.utils", "torchvision.utils"),
    Page("autograd", "tinynet.autograd", "torch.autograd"),
    Page("cuda", "tinynet.cuda", "torch.cuda"),
    Page("distributed", "tinynet.distributed", "", (
        "Group", "ReduceOp", "Work", "all_reduce", "barrier", "broadcast", "current_group",
        "destroy_process_group", "get_rank", "get_world_size", "init_process_group",
        "is_available", "is_initialized")),
    Page("explain", "tinynet.explain", "", (
        "conv2d", "layer", "network", "graph", "report", "watch", "Conv2dExplanation",
        "GraphExplanation", "NetworkExplanation", "TrainingReport", "TrainingWatch")),
]  # fmt: skip

# The headings of a reference page, by the file in which a name is defined; the last part counts.
GROUPS = {
    "creation": ("Creation", "创建张量"),
    "elementwise": ("Element by element", "逐元素运算"),
    "reductions": ("Reductions", "归约"),
    "shapes": ("Shapes", "形状"),
    "indexing": ("Indexing", "索引"),
    "products": ("Products", "乘积"),
    "softmax": ("Softmax", "Softmax"),
    "functions": ("More operations", "更多运算"),
    "methods": ("More methods", "更多方法"),
    "grad_mode": ("Gradients on and off", "梯度的开与关"),
    "engine": ("Gradients", "梯度"),
    "anomaly": ("Gradients", "梯度"),
    "gradcheck": ("Gradients", "梯度"),
    "autograd": ("Functions of one's own", "自定义函数"),
    "recorded": ("Gradients", "梯度"),
    "hooks": ("Gradients", "梯度"),
    "serialization": ("Files", "文件"),
    "random": ("Random numbers", "随机数"),
    "settings": ("Settings", "设置"),
    "threads": ("Settings", "设置"),
    "printing": ("Settings", "设置"),
    "devices": ("Dtypes and devices", "数据类型与设备"),
    "types": ("Types of tensors", "张量类型"),
    "tensor": ("Tensor", "张量"),
    "arguments": ("Dtypes and devices", "数据类型与设备"),
    "summary": ("Models", "模型"),
    "activation": ("Activations and similar", "激活函数等"),
    "formulas": ("More losses and activations", "更多损失与激活函数"),
    "functools": ("Activations in place", "就地激活函数"),
    "convolution": ("Convolution", "卷积"),
    "pooling": ("Pooling", "池化"),
    "normalization": ("Normalisation", "归一化"),
    "dropout": ("Dropout", "Dropout"),
    "loss": ("Losses", "损失函数"),
    "interpolation": ("Sizes of images", "图像尺寸"),
    "padding": ("Padding", "填充"),
    "images": ("Images", "图像"),
    "stateless": ("Layers without parameters", "没有参数的层"),
    "layers": ("Layers", "层"),
    "module": ("Modules", "模块"),
    "containers": ("Containers", "容器"),
    "parameter": ("Modules", "模块"),
    "optimisers": ("More optimisers", "更多优化器"),
    "optimizer": ("The base class", "基类"),
    "schedulers": ("More schedules", "更多调度器"),
    "scheduler": ("The base class", "基类"),
    "sampler": ("Samplers", "采样器"),
    "dataset": ("Data sets", "数据集"),
    "loader": ("Loading", "加载"),
    "computed_weights": ("Computed weights", "计算得出的权重"),
}
LAYERS_ON_REQUEST = ("More layers", "更多的层")  # tinynet.compat.layers
VALUES = ("Dtypes and constants", "数据类型与常数")
PROPERTIES = ("Properties", "属性")

"""The texts of the training report: (English, Chinese) by key."""

REPORT: dict[str, tuple[str, str]] = {
    "report.title": ("How the network learned", "网络是怎样学会的"),
    "report.test": ("Test accuracy", "测试准确率"),
    "report.of": ("{part}, {right} of {count} images",
                  "{part}，{count} 张图像中对 {right} 张"),
    "report.epochs": ("Epochs", "训练轮数"),
    "report.last_loss": ("Last loss", "最后的损失"),
    "report.after": ("{loss} after {seen} images", "{loss}，此时已看 {seen} 张图像"),
    "report.numbers": ("The numbers", "数值"),
    "report.seen": ("images seen", "已看图像数"),
    "report.epoch": ("epoch", "轮次"),
    "report.loss": ("Loss on training batches", "训练批次的损失"),
    "report.loss_said": ("The loss goes from {first} to {last}; {count} batches, "
                         "{seen} images.",
                         "损失从最初的 {first} 到最后的 {last}；"
                         "{seen} 张图像中的 {count} 个批次。"),
    "report.loss_note": ("Thin: single batches; thick: mean of {count} neighbours. The scale is "
                         "logarithmic.",
                         "细线：单个批次；粗线：相邻 {count} 个的平均。对数刻度。"),
    "report.loss_note_one": ("Single batches, on a logarithmic scale.", "单个批次，对数刻度。"),
    "report.not_finite": ("Values that are nan or infinite are not drawn.",
                          "有些值是 nan 或无穷大，没有画出。"),
    "report.accuracy": ("Accuracy on test images", "测试图像上的准确率"),
    "report.accuracy_said": ("The accuracy goes from {first} to {last}, measured {count} times; "
                             "the best is {best}.",
                             "准确率从 {first} 到 {last}，共测 {count} 次；最高 {best}。"),
    "report.accuracy_note": ("After each epoch, on images that were not used for training.",
                             "每轮之后，在没有用来训练的图像上测得。"),
    "report.gradients": ("Gradients, layer by layer", "逐层的梯度"),
    "report.gradients_lead": (
        "The norm of each parameter's gradient during training, all on one logarithmic scale. A "
        "layer whose line lies far below the others hardly learns; a line that rises steeply is an "
        "early sign of divergence.",
        "训练过程中每个参数的梯度范数，共用同一个对数刻度。哪一层的线远远低于其他层，"
        "它就几乎没有在学；线突然冲高，则是发散的前兆。"),
    "report.gradients_note": (
        "“≈ 0”: less than 1/100,000 of the largest norm, which is rounding error. This is typical "
        "of the bias of a convolution before a batch normalisation, because the normalisation "
        "subtracts every constant again.",
        "“≈ 0”：不到最大值的十万分之一，只是舍入误差。批归一化之前的卷积偏置就是这样："
        "归一化会把任何常数再减掉。"),
    "report.noise": ("≈ 0", "≈ 0"),
    "report.parameter": ("parameter", "参数"), "report.shape": ("shape", "形状"),
    "report.course": ("course", "变化过程"), "report.first": ("first", "最初"),
    "report.median": ("median", "中位数"), "report.last": ("last", "最后"),
    "report.kernels": ("What the first convolution responds to: {name}",
                       "第一个卷积层在找什么：{name}"),
    "report.kernels_lead": (
        "Each square is a kernel. Brightness increases the output where the kernel is red and "
        "decreases it where the kernel is blue. Full colour is ±{most}.",
        "每个方块是一个卷积核。红色处的亮度使输出变大，蓝色处使输出变小；颜色最深为 ±{most}。"),
    "report.kept": ("Watch them form", "看它们怎样形成"),
    "report.kept_at": ("after {seen} images", "已看 {seen} 张图像"),
    "report.kept_loss": ("after {seen} images, loss {loss}", "已看 {seen} 张图像，损失 {loss}"),
    "report.kept_end": ("at the end of training", "训练结束时"),
    "report.kept_play": ("Play", "播放"), "report.kept_pause": ("Pause", "暂停"),
    "report.kernel": ("Kernel {name}: weights from {low} to {high}",
                      "卷积核 {name}：权重从 {low} 到 {high}"),
    "report.what_kernels": ("kernels", "卷积核"),
    "report.maps": ("One image on its way through the convolutions", "一张图像穿过各卷积层"),
    "report.maps_lead": (
        "Image {k}: the class is {truth}, the guess {guess} ({part}). Each square is one output "
        "channel of a convolution, before normalisation and activation: red is positive, blue is "
        "negative.",
        "第 {k} 张图像：真实类别 {truth}，被认作 {guess}（{part}）。"
        "每个方块是卷积输出的一个通道，尚未归一化和激活：红色为正，蓝色为负。"),
    "report.layer": ("{name}: {shape}, full colour is ±{most}",
                     "{name}：{shape}，颜色最深为 ±{most}"),
    "report.map": ("{name}, channel {channel}: from {low} to {high}",
                   "{name}，通道 {channel}：从 {low} 到 {high}"),
    "report.what_layers": ("convolutions", "卷积层"),
    "report.image": ("Image {k}, class {truth}", "第 {k} 张图像，真实类别 {truth}"),
    "report.confusion": ("True class and guess", "混淆矩阵：把什么认成了什么"),
    "report.confusion_lead": (
        "Each row is a true class, each column a guess of the network. The diagonal counts the "
        "images guessed right; the last column is their share of the row.",
        "行：图像的真实类别；列：网络的判断。对角线上是判断正确的；最后一列是该行中正确的比例。"),
    "report.corner": ("true\u00a0↓ guess\u00a0→", "真实\u00a0↓ 判断\u00a0→"),
    "report.found": ("right", "正确"),
    "report.wrong": ("Images guessed wrong: {count} of {all}",
                     "认错的图像：{all} 张中的 {count} 张"),
    "report.wrong_lead": ("The network's most certain mistakes come first; the number below each "
                          "image is how certain it was.",
                          "网络最有把握的排在前面；每张下方是它的把握。"),
    "report.wrong_none": ("Every image was recognised", "所有图像都认对了"),
    "report.taken": ("{truth} taken for {guess}", "{truth} 认成 {guess}"),
    "report.what_wrong": ("wrong images", "认错的图像"),
}

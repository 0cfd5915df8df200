"""The texts of the page about a whole network: (English, Chinese) by key."""

NETWORK: dict[str, tuple[str, str]] = {
    "network.title": ("A network, forward and backward", "神经网络：前向与反向"),
    "network.lead": (
        "Every number on the way forward, and on the way back its gradient: how the loss changes "
        "with it. Draw a digit, choose a label, click on a layer.",
        "前向的每一个数，反向的每一个梯度：那个数变一点，损失变多少。"
        "写一个数字，换一个标签，点开任意一层。"),
    "network.reads": ("it reads", "识别为"),
    "network.draw": ("Draw here", "在这里写"),
    "network.pad": ("Drawing area: draw a digit with mouse, pen or finger",
                    "手写区：用鼠标、手写笔或手指写一个数字"),
    "network.clear": ("Clear", "清除"),
    "network.example": ("Image {k}, class {truth}", "第 {k} 张图像，类别 {truth}"),
    "network.label": ("Label", "标签"),
    "network.label_auto": ("what it reads", "用它的识别结果"),
    "network.run": ("Forward and backward", "演示前向与反向"),
    "network.forward": ("Forward: what each layer makes of it", "前向：每一层算出什么"),
    "network.backward": ("Backward: how the loss changes with each of these numbers",
                         "反向：这些数各变一点，损失变多少"),
    "network.values": ("value", "值"), "network.gradient": ("gradient", "梯度"),
    "network.values_of": ("Values", "值"), "network.gradients_of": ("Gradients", "梯度"),
    "network.legend": (
        "Red is positive, blue is negative; full colour is the number below each picture. The "
        "shade grows with the square root, so that small numbers can be seen.",
        "红为正，蓝为负；颜色最深处的绝对值写在图下。深浅按平方根变化，小的数也看得见。"),
    "network.kind.input": ("image", "图像"), "network.kind.conv": ("convolution", "卷积"),
    "network.head.conv": ("conv", "卷积"),
    "network.kind.norm": ("batch norm", "批归一化"), "network.kind.relu": ("ReLU", "ReLU"),
    "network.kind.leaky_relu": ("leaky ReLU", "Leaky ReLU"),
    "network.kind.tanh": ("tanh", "tanh"), "network.kind.sigmoid": ("sigmoid", "sigmoid"),
    "network.kind.max_pool": ("max pool", "最大池化"),
    "network.kind.avg_pool": ("mean pool", "平均池化"),
    "network.kind.flatten": ("flatten", "展平"),
    "network.kind.linear": ("linear", "全连接"), "network.kind.loss": ("loss", "损失"),
    "network.look": (
        "{name}, {shape}: {what} from {low} to {high}. Look closer",
        "{name}，{shape}：{what}从 {low} 到 {high}。细看"),
    "network.summary": (
        "It reads {guess}, with {part}. With the label {label}, the loss is {loss}.",
        "识别为 {guess}，概率 {part}。标签取 {label} 时，损失为 {loss}。"),
    "network.summary_sure": (
        "It reads {guess}, with {part}. The loss is {loss}, so hardly any gradient is left: choose "
        "another label to see what would have to change.",
        "识别为 {guess}，概率 {part}。损失只有 {loss}，几乎没有梯度；换一个标签，看看哪里得变。"),
    "network.class": ("class", "类别"), "network.score": ("score", "得分"),
    "network.probability": ("probability", "概率"),
    # -- one layer from near -----------------------------------------------------------------------
    "network.detail": ("{name}{size}: {shape}", "{name}{size}：{shape}"),
    "network.channel": ("Channel", "通道"), "network.row": ("Row", "行"),
    "network.column": ("Column", "列"), "network.class_chosen": ("Class", "类别"),
    "network.unit": ("Unit", "单元"),
    "network.from_channel": ("Input channel", "输入通道"),
    "network.cell_map": ("{what} of channel {channel}. Arrow keys move the cell",
                         "通道 {channel} 的{what}。方向键移动格子"),
    "network.around": ("Numbers around the cell: {what}", "这一格周围的数：{what}"),
    "network.kernel": ("Its kernel", "它的卷积核"),
    "network.kernels": ("Its kernels: one per input channel", "它的卷积核：每个输入通道一个"),
    "network.weights_of": ("Weights w", "权重 w"), "network.dw": ("dW", "dW"),
    "network.row_weights": ("Its weights: one per number that it reads",
                            "它的权重：读入的每个数各一个"),
    "network.click": (
        "Point at a cell to hear how its number came about; click on it to see its window step by "
        "step.",
        "指向一格，看它的数怎样得来；点一下，逐步看它的窗口。"),
    "network.open": ("Open this window in the convolution page", "在卷积页中逐步看这个窗口"),
    "network.open_note": (
        "The page gets the real numbers around the cell: input channel {c} of {all}, kernel, and "
        "the gradient from above.",
        "卷积页会带上这一格周围的真实数字：输入通道 {c}（共 {all} 个）、卷积核，"
        "以及上游传来的梯度。"),
    "network.open_note_one": (
        "The page gets the real numbers around the cell: the input, the kernel, and the gradient "
        "from above.",
        "卷积页会带上这一格周围的真实数字：输入、卷积核，以及上游传来的梯度。"),
    "network.close": ("Back to the network", "回到网络"),
    "network.says.input": (
        "The pixel ({i},{j}) is {value}. Its gradient is {gradient}: {how}.",
        "像素 ({i},{j}) 是 {value}，梯度是 {gradient}：{how}。"),
    "network.how.up": ("if it were larger, the loss would be larger", "它再大一点，损失就变大"),
    "network.how.down": ("if it were larger, the loss would be smaller", "它再大一点，损失就变小"),
    "network.how.none": ("the loss would stay as it is", "损失不随它变"),
    "network.says.conv": (
        "{count} products of the kernels with their window of the layer before, and the bias "
        "{bias}, add up to {value}. Input channel {c} contributes {part}. From above comes "
        "G = {gradient}; each weight gets G · its input added to dW, each input G · its weight.",
        "卷积核与窗口中的数逐一相乘，共 {count} 个乘积，连同偏置 {bias}，和为 {value}；"
        "其中输入通道 {c} 占 {part}。上游传来 G = {gradient}："
        "每个权重的 dW 累加 G 乘它的输入，每个输入的梯度累加 G 乘它的权重。"),
    "network.says.conv_one": (
        "{count} products of the kernel with its window of the layer before, and the bias {bias}, "
        "add up to {value}. From above comes G = {gradient}; each weight gets G · its input added "
        "to dW, each input G · its weight.",
        "卷积核与窗口中的数逐一相乘，共 {count} 个乘积，连同偏置 {bias}，和为 {value}。"
        "上游传来 G = {gradient}："
        "每个权重的 dW 累加 G 乘它的输入，每个输入的梯度累加 G 乘它的权重。"),
    "network.says.relu_on": (
        "{before} is positive, so it passes unchanged, and so does its gradient: {gradient}.",
        "{before} 为正，原样通过；它的梯度 {gradient} 也原样传回。"),
    "network.says.relu_off": (
        "{before} is not positive, so ReLU was off: it makes 0, and the gradient {gradient} stops "
        "here.",
        "{before} 不为正，ReLU 关闭：输出 0，梯度 {gradient} 到此为止。"),
    "network.says.elementwise": (
        "{before} becomes {value}; the gradient {gradient} becomes {after} on the way back.",
        "{before} 变成 {value}；梯度 {gradient} 传回时变成 {after}。"),
    "network.says.norm": (
        "{before} is shifted and scaled by the channel's fixed numbers to {value}; the gradient "
        "{gradient} is scaled by {scale} on the way back.",
        "{before} 按本通道固定的数平移、缩放，得 {value}；梯度 {gradient} 传回时乘以 {scale}。"),
    "network.says.max_pool": (
        "The largest of {list} is {value}. It alone gets the gradient {gradient}; the others get "
        "nothing from here.",
        "{list} 中最大的是 {value}。梯度 {gradient} 只传给它；其余的从这里得不到梯度。"),
    "network.says.avg_pool": (
        "The mean of {count} numbers is {value}. Each of them gets 1/{count} of the gradient "
        "{gradient}.",
        "{count} 个数的平均是 {value}。梯度 {gradient} 平分给它们，各得 1/{count}。"),
    "network.says.linear": (
        "{count} products and the bias {bias} add up to {value}. From above comes {gradient}.",
        "{count} 个乘积连同偏置 {bias}，和为 {value}。上游传来的梯度是 {gradient}。"),
    "network.says.score": (
        "The score of {name} is {value}: {count} products and the bias {bias}. Its gradient is its "
        "probability, {p}.",
        "{name} 的得分是 {value}：{count} 个乘积加偏置 {bias}。它的梯度就是它的概率 {p}。"),
    "network.says.score_label": (
        "The score of {name} is {value}: {count} products and the bias {bias}. Its gradient is its "
        "probability minus 1, since it is the label: {p} − 1 = {gradient}.",
        "{name} 的得分是 {value}：{count} 个乘积加偏置 {bias}。"
        "它是标签，所以梯度是概率减 1：{p} − 1 = {gradient}。"),
    "network.says.loss": (
        "Softmax turns the scores into probabilities. The loss is −log of the label's: −log {p} = "
        "{loss}. Here the way back begins, with the gradient 1.",
        "softmax 把得分变成概率。损失是标签概率的 −log：−log {p} = {loss}。"
        "反向从这里开始，梯度为 1。"),
    # -- below -------------------------------------------------------------------------------------
    "network.loss_is": ("loss {loss}", "损失 {loss}"),
    "network.checked": (
        "Checked: for each of its images ({images}), the page computed the loss and the norms of "
        "all values and gradients, {count} numbers in all. They are the library's (largest "
        "relative difference {error}).",
        "已核对：页面对每张图像（共 {images} 张）算出损失，以及所有值与梯度的范数，"
        "共 {count} 个数，与库的结果一致（最大相对误差 {error}）。"),
    "network.differs": (
        "The browser's numbers differ from the library's (largest relative difference {error}). "
        "Please report this.",
        "浏览器算出的数与库的结果不一致（最大相对误差 {error}），请报告。"),
    "network.layers": ("Layers", "层"), "network.parameters": ("Parameters", "参数量"),
    "network.still": ("The first image, as pictures", "第一张图像的静态图"),
    "network.noscript": (
        "Without JavaScript one cannot draw here. Below is everything that the network makes of "
        "one image.",
        "没有 JavaScript 就不能手写。下面是网络处理一张图像的全部结果。"),
    "network.frame": ("A convolution, step by step", "卷积，逐步来看"),
    "network.terminal": ("loss {loss} with the label {label}; it reads {guess}, with {part}",
                         "标签 {label}，损失 {loss}；识别为 {guess}，概率 {part}"),
    "network.norms": ("values up to {value}, gradients up to {gradient}",
                      "值最大 {value}，梯度最大 {gradient}"),
}
